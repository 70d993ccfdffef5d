#include <immintrin.h>

#include "kernels/operand/operand_kernel.h"

namespace octet::kernels {
namespace {

#define OCTET_BLOCK 16

/// 16 x 16 words: pairs of rows, then of pairs, within lanes of 128 bits; then the lanes.
[[gnu::always_inline]] inline void transpose_block(const uint32_t* from, int64_t from_stride, uint32_t* to,
                                                   int64_t to_stride) {
  __m512i r[16], t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(from + i * from_stride);
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // r[4j + c] holds, in lane l, column 4l + c of rows 4j … 4j+3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i a = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88), b = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
    const __m512i d = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xDD), e = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xDD);
    _mm512_storeu_si512(to + c * to_stride, _mm512_shuffle_i32x4(a, b, 0x88));
    _mm512_storeu_si512(to + (4 + c) * to_stride, _mm512_shuffle_i32x4(d, e, 0x88));
    _mm512_storeu_si512(to + (8 + c) * to_stride, _mm512_shuffle_i32x4(a, b, 0xDD));
    _mm512_storeu_si512(to + (12 + c) * to_stride, _mm512_shuffle_i32x4(d, e, 0xDD));
  }
}

/// 64-bit lanes, as many 32-bit ones, and the product of the lower halves of lanes with a number.
typedef uint64_t Wide __attribute__((vector_size(64)));
typedef uint32_t Narrow __attribute__((vector_size(32)));
[[gnu::always_inline]] inline Wide multiply_low(Wide a, uint32_t b) {
  return reinterpret_cast<Wide>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), _mm512_set1_epi64(b)));
}

}  // namespace
}  // namespace octet::kernels

#include "kernels/operand/operand.inc"

namespace octet::kernels {
const OperandKernel kOperandAvx512 = {round,       round_columns, largest, largest_of_groups, largest_of_columns,
                                      multipliers, transpose,     random};
}  // namespace octet::kernels
