#include <cmath>

#include "kernels/optimizer/adam_kernel.h"

namespace octet::kernels {

void adam_reference(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * step.gradient_scale + step.l2 * w[i];
    m[i] = m[i] + (gradient - m[i]) * step.one_minus_beta1;
    v[i] = v[i] * step.beta2 + step.one_minus_beta2 * gradient * gradient;
    const float denominator = std::sqrt(v[i]) / step.root_of_correction + step.epsilon;
    w[i] = w[i] * step.keep - step.step_size * m[i] / denominator;
  }
}

}  // namespace octet::kernels
