#include <immintrin.h>

#include "kernels/optimizer/adam_kernel.h"

namespace octet::kernels {

void adam_avx512(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  const __m512 scale = _mm512_set1_ps(step.gradient_scale), l2 = _mm512_set1_ps(step.l2),
               keep = _mm512_set1_ps(step.keep);
  const __m512 one_minus_beta1 = _mm512_set1_ps(step.one_minus_beta1), beta2 = _mm512_set1_ps(step.beta2);
  const __m512 one_minus_beta2 = _mm512_set1_ps(step.one_minus_beta2), root = _mm512_set1_ps(step.root_of_correction);
  const __m512 epsilon = _mm512_set1_ps(step.epsilon), step_size = _mm512_set1_ps(step.step_size);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512 weight = _mm512_loadu_ps(w + i), old_m = _mm512_loadu_ps(m + i);
    const __m512 gradient = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(g + i), scale), _mm512_mul_ps(l2, weight));
    const __m512 new_m = _mm512_add_ps(old_m, _mm512_mul_ps(_mm512_sub_ps(gradient, old_m), one_minus_beta1));
    const __m512 square = _mm512_mul_ps(_mm512_mul_ps(one_minus_beta2, gradient), gradient);
    const __m512 new_v = _mm512_add_ps(_mm512_mul_ps(_mm512_loadu_ps(v + i), beta2), square);
    const __m512 denominator = _mm512_add_ps(_mm512_div_ps(_mm512_sqrt_ps(new_v), root), epsilon);
    const __m512 change = _mm512_div_ps(_mm512_mul_ps(step_size, new_m), denominator);
    _mm512_storeu_ps(m + i, new_m);
    _mm512_storeu_ps(v + i, new_v);
    _mm512_storeu_ps(w + i, _mm512_sub_ps(_mm512_mul_ps(weight, keep), change));
  }
  adam_reference(step, w + i, g + i, m + i, v + i, n - i);
}

}  // namespace octet::kernels
