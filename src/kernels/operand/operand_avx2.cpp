#include <immintrin.h>

#include "kernels/operand/operand_kernel.h"

namespace octet::kernels {
namespace {

#define OCTET_BLOCK 8

/// 8 x 8 words: pairs of rows, then of pairs, within lanes of 128 bits; then the lanes.
[[gnu::always_inline]] inline void transpose_block(const uint32_t* from, int64_t from_stride, uint32_t* to,
                                                   int64_t to_stride) {
  __m256i r[8], t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * from_stride));
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + c * to_stride),
                        _mm256_permute2x128_si256(r[c], r[4 + c], 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + (4 + c) * to_stride),
                        _mm256_permute2x128_si256(r[c], r[4 + c], 0x31));
  }
}

/// 64-bit lanes, as many 32-bit ones, and the product of the lower halves of lanes with a number.
typedef uint64_t Wide __attribute__((vector_size(32)));
typedef uint32_t Narrow __attribute__((vector_size(16)));
[[gnu::always_inline]] inline Wide multiply_low(Wide a, uint32_t b) {
  return reinterpret_cast<Wide>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(b)));
}

}  // namespace
}  // namespace octet::kernels

#include "kernels/operand/operand.inc"

namespace octet::kernels {
const OperandKernel kOperandAvx2 = {round,       round_columns, largest, largest_of_groups, largest_of_columns,
                                    multipliers, transpose,     random};
}  // namespace octet::kernels
