#include <immintrin.h>

#include "ceiling.h"

#define OCTET_PROBE_OPCODE "vfmadd231ps"
#define OCTET_PROBE_REGISTER "zmm"
#include "ceiling_probe.inc"

namespace octet::bench {

double fma_512(int64_t rounds) {
  run_chains(rounds);
  return static_cast<double>(rounds * kChains) * 32;
}

int read_512(const std::byte* from, size_t bytes, ReadPattern pattern) {
  __m512i sums[4] = {};
  const size_t part = bytes / static_cast<size_t>(pattern.streams);
  for (size_t i = 0; i + kReadUnit <= part; i += kReadUnit) {
    for (int stream = 0; stream < pattern.streams; ++stream) {
      const std::byte* at = from + static_cast<size_t>(stream) * part + i;
      for (size_t j = 0; j < 4; ++j) {
        if (pattern.ahead) _mm_prefetch(reinterpret_cast<const char*>(at + pattern.ahead + 64 * j), _MM_HINT_T0);
        sums[j] = _mm512_xor_si512(sums[j], _mm512_loadu_si512(at + 64 * j));
      }
    }
  }
  return _mm512_reduce_or_epi32(_mm512_or_si512(_mm512_or_si512(sums[0], sums[1]), _mm512_or_si512(sums[2], sums[3])));
}

}  // namespace octet::bench
