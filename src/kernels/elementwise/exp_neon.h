#pragma once
#include <arm_neon.h>

#include "kernels/elementwise/exp_constants.h"

// Only for files compiled for Arm; static, so that each keeps the copy made with its own flags.
namespace octet::kernels {

// A NaN stays one: the maximum and the minimum return it.
[[gnu::always_inline]] static inline float32x4_t exp_neon(float32x4_t x) {
  x = vmaxq_f32(x, vdupq_n_f32(kExpLowest));
  x = vminq_f32(x, vdupq_n_f32(kExpHighest));
  const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, kOneOverLn2));
  float32x4_t r = vfmsq_n_f32(x, n, kLn2High);
  r = vfmsq_n_f32(r, n, kLn2Low);
  float32x4_t q = vfmaq_n_f32(vdupq_n_f32(kExpQ[3]), r, kExpQ[4]);
  q = vfmaq_f32(vdupq_n_f32(kExpQ[2]), q, r);
  q = vfmaq_f32(vdupq_n_f32(kExpQ[1]), q, r);
  q = vfmaq_f32(vdupq_n_f32(kExpQ[0]), q, r);
  const float32x4_t p = vfmaq_f32(vaddq_f32(r, vdupq_n_f32(1.0f)), q, vmulq_f32(r, r));
  // 2^n in two factors, each a normal number, so that the last product alone rounds or overflows.
  const int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
  const float32x4_t a = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
  const float32x4_t b = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23));
  return vmulq_f32(vmulq_f32(p, a), b);
}

}  // namespace octet::kernels
