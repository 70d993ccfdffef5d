#pragma once
#include <immintrin.h>

#include "kernels/elementwise/exp_constants.h"

// Only for files compiled with AVX2; static, so that each keeps the copy made with its own flags.
namespace octet::kernels {

// A NaN stays one: the maximum and the minimum return their second operand then.
[[gnu::always_inline]] static inline __m256 exp_avx2(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(kExpLowest), x);
  x = _mm256_min_ps(_mm256_set1_ps(kExpHighest), x);
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(kOneOverLn2)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2High), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(kLn2Low), r);
  __m256 q = _mm256_fmadd_ps(_mm256_set1_ps(kExpQ[4]), r, _mm256_set1_ps(kExpQ[3]));
  q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(kExpQ[2]));
  q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(kExpQ[1]));
  q = _mm256_fmadd_ps(q, r, _mm256_set1_ps(kExpQ[0]));
  const __m256 one_and_r = _mm256_add_ps(r, _mm256_set1_ps(1.0f));
  const __m256 p = _mm256_fmadd_ps(q, _mm256_mul_ps(r, r), one_and_r);
  // 2^n in two factors, each a normal number, so that the last product alone rounds or overflows.
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256 a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const __m256 b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23));
  return _mm256_mul_ps(_mm256_mul_ps(p, a), b);
}

}  // namespace octet::kernels
