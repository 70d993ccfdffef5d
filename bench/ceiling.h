#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstddef>
#include <cstdint>

namespace octet::bench {

/// Runs `rounds` times 28 multiply-adds in 14 independent chains on registers alone; returns the multiplications and
/// additions done.
using ArithmeticProbe = double(int64_t rounds);
ArithmeticProbe vpdpbusd_512, vdpbf16ps_512, fma_512, fma_256;

/// Reads memory front to back; returns something that depends on all of it.
using ReadProbe = int(const std::byte* from, size_t bytes);
ReadProbe read_512, read_256;

}  // namespace octet::bench
