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

int read_512(const std::byte* from, size_t bytes) {
  __m512i sums[4] = {};
  for (size_t i = 0; i + 256 <= bytes; i += 256) {
    for (size_t j = 0; j < 4; ++j) sums[j] = _mm512_xor_si512(sums[j], _mm512_loadu_si512(from + i + 64 * j));
  }
  return _mm512_reduce_or_epi32(_mm512_or_si512(_mm512_or_si512(sums[0], sums[1]), _mm512_or_si512(sums[2], sums[3])));
}

}  // namespace octet::bench
