#include <immintrin.h>

#include "ceiling.h"

#define OCTET_PROBE_OPCODE "vfmadd231ps"
#define OCTET_PROBE_REGISTER "ymm"
#include "ceiling_probe.inc"

namespace octet::bench {

double fma_256(int64_t rounds) {
  run_chains(rounds);
  return static_cast<double>(rounds * kChains) * 16;
}

int read_256(const std::byte* from, size_t bytes, ReadPattern pattern) {
  __m256i sums[4] = {};
  const size_t part = bytes / static_cast<size_t>(pattern.streams);
  for (size_t i = 0; i + kReadUnit <= part; i += kReadUnit) {
    for (int stream = 0; stream < pattern.streams; ++stream) {
      const std::byte* at = from + static_cast<size_t>(stream) * part + i;
      for (size_t j = 0; j < 8; ++j) {
        if (pattern.ahead) _mm_prefetch(reinterpret_cast<const char*>(at + pattern.ahead + 32 * j), _MM_HINT_T0);
        sums[j % 4] = _mm256_xor_si256(sums[j % 4], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32 * j)));
      }
    }
  }
  return _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(sums[0], sums[1]), _mm256_or_si256(sums[2], sums[3])));
}

}  // namespace octet::bench
