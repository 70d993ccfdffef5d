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

int read_256(const std::byte* from, size_t bytes) {
  __m256i sums[4] = {};
  for (size_t i = 0; i + 128 <= bytes; i += 128) {
    for (size_t j = 0; j < 4; ++j) {
      sums[j] = _mm256_xor_si256(sums[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i + 32 * j)));
    }
  }
  return _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(sums[0], sums[1]), _mm256_or_si256(sums[2], sums[3])));
}

}  // namespace octet::bench
