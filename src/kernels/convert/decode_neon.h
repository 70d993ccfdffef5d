#pragma once
#include <arm_neon.h>

// Only for files compiled for Arm; static, so that each keeps the copy made with its own flags.
namespace octet::kernels {

// The values of the codes in the low 8 bits of each lane, exact: read as FP16 they are 2^-8 of themselves, subnormals
// too; NaN, which would be 480, gets its bits.
[[gnu::always_inline]] static inline float32x4_t e4m3_to_float_neon(uint16x4_t code) {
  const uint16x4_t sign = vshl_n_u16(vand_u16(code, vdup_n_u16(0x80)), 8);
  const uint16x4_t magnitude = vand_u16(code, vdup_n_u16(0x7F));
  const float16x4_t small = vreinterpret_f16_u16(vorr_u16(sign, vshl_n_u16(magnitude, 7)));
  const uint32x4_t bits = vreinterpretq_u32_f32(vmulq_n_f32(vcvt_f32_f16(small), 0x1p8f));
  const int32x4_t is_nan = vmovl_s16(vreinterpret_s16_u16(vceq_u16(magnitude, vdup_n_u16(0x7F))));
  const uint32x4_t nan = vandq_u32(vreinterpretq_u32_s32(is_nan), vdupq_n_u32(0x7FF00000));
  return vreinterpretq_f32_u32(vorrq_u32(bits, nan));
}

// BF16 in the upper half of each lane, rounded half to even; NaNs become quiet. The lower half is anything.
[[gnu::always_inline]] static inline uint32x4_t bf16_above_neon(float32x4_t x) {
  const uint32x4_t bits = vreinterpretq_u32_f32(x);
  const uint32x4_t last = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(last, vdupq_n_u32(0x7FFF)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x00400000));
  return vbslq_u32(vceqq_f32(x, x), rounded, quiet);
}

}  // namespace octet::kernels
