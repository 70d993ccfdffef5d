#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstddef>
#include <cstdint>

namespace octet::bench {

/// Runs `rounds` times 28 multiply-adds in 14 independent chains on registers alone (two a cycle of five cycles'
/// latency need ten); returns the multiplications and additions done.
using ArithmeticProbe = double(int64_t rounds);
ArithmeticProbe vpdpbusd_512, vdpbf16ps_512, fma_512, fma_256;

/// How memory is read: `streams` places at once, each front to back, `ahead` bytes (0: none) asked for in advance.
struct ReadPattern {
  int streams = 1, ahead = 0;
};

/// Reads memory and returns something that depends on all of it. `bytes` is a multiple of kReadUnit · streams.
using ReadProbe = int(const std::byte* from, size_t bytes, ReadPattern pattern);
ReadProbe read_512, read_256;
inline constexpr size_t kReadUnit = 256;

}  // namespace octet::bench
