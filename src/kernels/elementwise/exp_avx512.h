#pragma once
#include <immintrin.h>

#include "kernels/elementwise/exp_constants.h"

// Only for files compiled with AVX-512; static, so that each keeps the copy made with its own flags.
namespace octet::kernels {

// A NaN stays one: the maximum and the minimum return their second operand then.
[[gnu::always_inline]] static inline __m512 exp_avx512(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(kExpLowest), x);
  x = _mm512_min_ps(_mm512_set1_ps(kExpHighest), x);
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(kOneOverLn2)), _MM_FROUND_TO_NEAREST_INT);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLn2High), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(kLn2Low), r);
  __m512 q = _mm512_fmadd_ps(_mm512_set1_ps(kExpQ[4]), r, _mm512_set1_ps(kExpQ[3]));
  q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(kExpQ[2]));
  q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(kExpQ[1]));
  q = _mm512_fmadd_ps(q, r, _mm512_set1_ps(kExpQ[0]));
  const __m512 one_and_r = _mm512_add_ps(r, _mm512_set1_ps(1.0f));
  const __m512 p = _mm512_fmadd_ps(q, _mm512_mul_ps(r, r), one_and_r);
  return _mm512_scalef_ps(p, n);
}

}  // namespace octet::kernels
