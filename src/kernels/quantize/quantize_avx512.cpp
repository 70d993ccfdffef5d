#include <immintrin.h>

#include "kernels/quantize/quantize.h"

namespace octet::kernels {
namespace {

/// quotient() of rows.inc, then vcvtps2dq's rounding and vpmovsdb's saturation: 16 codes in 8 operations.
__m128i codes_of(__m512 x, __m512 scale, __m512 r) {
  const __m512 q0 = _mm512_mul_ps(x, r);
  const __m512 q1 = _mm512_fmadd_ps(_mm512_fnmadd_ps(q0, scale, x), r, q0);
  const __m512 q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q1, scale, x), r, q1);
  return _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(q));
}

void int8_codes_in_range(const float* x, int64_t k, float s, int8_t* out) {
  const __m512 scale = _mm512_set1_ps(s), r = _mm512_set1_ps(1.0f / s);
  int64_t i = 0;
  for (; i + 16 <= k; i += 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), codes_of(_mm512_loadu_ps(x + i), scale, r));
  }
  const auto mask = static_cast<__mmask16>((1 << (k - i)) - 1);
  if (mask) _mm_mask_storeu_epi8(out + i, mask, codes_of(_mm512_maskz_loadu_ps(mask, x + i), scale, r));
}

/// 64 codes at a time, as bytes that are 128 too large.
int32_t sum(const int8_t* codes, int64_t k) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i sums = _mm512_setzero_si512();
  for (int64_t i = 0; i < k; i += 64) {
    const __mmask64 mask = k - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (k - i)) - 1;
    const __m512i bytes = _mm512_xor_si512(_mm512_mask_loadu_epi8(flip, mask, codes + i), flip);
    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
  }
  return static_cast<int32_t>(_mm512_reduce_add_epi64(sums) - 128 * k);
}

}  // namespace
}  // namespace octet::kernels

#define OCTET_OWN_INT8_CODES
#define OCTET_OWN_SUM
#include "kernels/quantize/rows.inc"

namespace octet::kernels {
void quantize_row__avx512(const QuantizeRow& row) {
  quantize(row);
}
int32_t sum_codes__avx512(const int8_t* codes, int64_t k) {
  return sum(codes, k);
}
}  // namespace octet::kernels
