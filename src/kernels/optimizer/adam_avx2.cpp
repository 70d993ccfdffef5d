#include <immintrin.h>

#include "kernels/optimizer/adam_kernel.h"

namespace octet::kernels {

void adam_avx2(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  const __m256 scale = _mm256_set1_ps(step.gradient_scale), l2 = _mm256_set1_ps(step.l2),
               keep = _mm256_set1_ps(step.keep);
  const __m256 one_minus_beta1 = _mm256_set1_ps(step.one_minus_beta1), beta2 = _mm256_set1_ps(step.beta2);
  const __m256 one_minus_beta2 = _mm256_set1_ps(step.one_minus_beta2), root = _mm256_set1_ps(step.root_of_correction);
  const __m256 epsilon = _mm256_set1_ps(step.epsilon), step_size = _mm256_set1_ps(step.step_size);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 weight = _mm256_loadu_ps(w + i), old_m = _mm256_loadu_ps(m + i);
    const __m256 gradient = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(g + i), scale), _mm256_mul_ps(l2, weight));
    const __m256 new_m = _mm256_add_ps(old_m, _mm256_mul_ps(_mm256_sub_ps(gradient, old_m), one_minus_beta1));
    const __m256 square = _mm256_mul_ps(_mm256_mul_ps(one_minus_beta2, gradient), gradient);
    const __m256 new_v = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(v + i), beta2), square);
    const __m256 denominator = _mm256_add_ps(_mm256_div_ps(_mm256_sqrt_ps(new_v), root), epsilon);
    const __m256 change = _mm256_div_ps(_mm256_mul_ps(step_size, new_m), denominator);
    _mm256_storeu_ps(m + i, new_m);
    _mm256_storeu_ps(v + i, new_v);
    _mm256_storeu_ps(w + i, _mm256_sub_ps(_mm256_mul_ps(weight, keep), change));
  }
  adam_reference(step, w + i, g + i, m + i, v + i, n - i);
}

}  // namespace octet::kernels
