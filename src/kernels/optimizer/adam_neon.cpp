#include <arm_neon.h>

#include "kernels/optimizer/adam_kernel.h"

namespace octet::kernels {

void adam_neon(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  const float32x4_t root = vdupq_n_f32(step.root_of_correction), epsilon = vdupq_n_f32(step.epsilon);
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const float32x4_t weight = vld1q_f32(w + i), old_m = vld1q_f32(m + i);
    const float32x4_t gradient =
        vaddq_f32(vmulq_n_f32(vld1q_f32(g + i), step.gradient_scale), vmulq_n_f32(weight, step.l2));
    const float32x4_t new_m = vaddq_f32(old_m, vmulq_n_f32(vsubq_f32(gradient, old_m), step.one_minus_beta1));
    const float32x4_t square = vmulq_f32(vmulq_n_f32(gradient, step.one_minus_beta2), gradient);
    const float32x4_t new_v = vaddq_f32(vmulq_n_f32(vld1q_f32(v + i), step.beta2), square);
    const float32x4_t denominator = vaddq_f32(vdivq_f32(vsqrtq_f32(new_v), root), epsilon);
    const float32x4_t change = vdivq_f32(vmulq_n_f32(new_m, step.step_size), denominator);
    vst1q_f32(m + i, new_m);
    vst1q_f32(v + i, new_v);
    vst1q_f32(w + i, vsubq_f32(vmulq_n_f32(weight, step.keep), change));
  }
  adam_reference(step, w + i, g + i, m + i, v + i, n - i);
}

}  // namespace octet::kernels
