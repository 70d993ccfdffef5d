#include <arm_neon.h>

#include "kernels/attention/attention_kernel.h"
#include "kernels/convert/decode_neon.h"
#include "kernels/elementwise/exp_neon.h"

namespace octet::kernels {
namespace {

struct Pair {
  float32x4_t even, odd;
};

// Rows 2i and 2i+1 of 4 columns.
[[gnu::always_inline]] inline Pair decode_pair(Stored stored, const uint8_t* at) {
  if (stored == Stored::bf16) {
    const uint32x4_t both = vreinterpretq_u32_u8(vld1q_u8(at));
    return {vreinterpretq_f32_u32(vshlq_n_u32(both, 16)),
            vreinterpretq_f32_u32(vandq_u32(both, vdupq_n_u32(0xFFFF0000)))};
  }
  const uint16x4_t both = vreinterpret_u16_u8(vld1_u8(at));
  if (stored == Stored::e4m3) return {e4m3_to_float_neon(both), e4m3_to_float_neon(vshr_n_u16(both, 8))};
  const int16x4_t codes = vreinterpret_s16_u16(both);
  return {vcvtq_f32_s32(vmovl_s16(vshr_n_s16(vshl_n_s16(codes, 8), 8))),
          vcvtq_f32_s32(vmovl_s16(vshr_n_s16(codes, 8)))};
}

void to_f32(Stored stored, const void* panel, int64_t depth, int64_t width, float* out) {
  const auto* at = static_cast<const uint8_t*>(panel);
  const int64_t step = stored == Stored::bf16 ? 16 : 8;
  for (int64_t row = 0; row < depth; row += 2, out += 2 * width) {
    for (int64_t column = 0; column < width; column += 4, at += step) {
      const Pair pair = decode_pair(stored, at);
      vst1q_f32(out + column, pair.even);
      vst1q_f32(out + width + column, pair.odd);
    }
  }
}

void round(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 4) {
    const uint32x4_t upper = vandq_u32(bf16_above_neon(vld1q_f32(x + i)), vdupq_n_u32(0xFFFF0000));
    vst1q_f32(out + i, vreinterpretq_f32_u32(upper));
  }
}

// A tile of products kept in registers: 16 columns.
template <int kRows>
void tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, float* c, int64_t c_stride,
          const float* correction, const char* ahead, int64_t ahead_step) {
  float32x4_t sums[kRows][4];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      sums[i][j] = correction ? vmulq_n_f32(vld1q_f32(c + i * c_stride + 4 * j), correction[i]) : vdupq_n_f32(0);
    }
  }
  for (int64_t k = 0; k < depth; ++k, b += b_stride, ahead += ahead_step) {
    __builtin_prefetch(ahead);
    float32x4_t row[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) row[j] = vld1q_f32(b + 4 * j);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
      const float32x4_t value = vld1q_dup_f32(a + i * a_stride + k);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[i][j] = vfmaq_f32(sums[i][j], value, row[j]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) vst1q_f32(c + i * c_stride + 4 * j, sums[i][j]);
  }
}

using Tile = void(const float*, int64_t, const float*, int64_t, int64_t, float*, int64_t, const float*, const char*,
                  int64_t);
constexpr Tile* kTiles[4] = {tile<1>, tile<2>, tile<3>, tile<4>};  // more rows do not fit the registers

void product(const float* a, int64_t a_stride, const float* b, int64_t depth, int64_t width, int64_t rows, float* c,
             int64_t c_stride, const float* correction, const char* ahead, int64_t ahead_step) {
  for (int64_t row = 0; row < rows; row += 4) {
    const int64_t height = rows - row < 4 ? rows - row : 4;
    for (int64_t column = 0; column < width; column += 16) {
      kTiles[height - 1](a + row * a_stride, a_stride, b + column, width, depth, c + row * c_stride + column, c_stride,
                         correction ? correction + row : nullptr, ahead + column * ahead_step / width, ahead_step);
    }
  }
}

// Ones in the lanes of keys j … j+3 that the row sees.
[[gnu::always_inline]] inline uint32x4_t seen(const SoftmaxRow& row, int64_t j) {
  constexpr int32_t kLanes[4] = {0, 1, 2, 3};
  const int32x4_t key = vaddq_s32(vdupq_n_s32(static_cast<int32_t>(j)), vld1q_s32(kLanes));
  return vandq_u32(vcgeq_s32(key, vdupq_n_s32(static_cast<int32_t>(row.begin))),
                   vcltq_s32(key, vdupq_n_s32(static_cast<int32_t>(row.end))));
}

[[gnu::always_inline]] inline float32x4_t where(uint32x4_t mask, float32x4_t value) {
  return vreinterpretq_f32_u32(vandq_u32(mask, vreinterpretq_u32_f32(value)));
}

void softmax(const SoftmaxRow& row) {
  float32x4_t largest = vdupq_n_f32(*row.max);
  for (int64_t j = 0; j < kBlockKeys; j += 4) {
    float32x4_t factor = vdupq_n_f32(row.factor);
    if (row.k_scales) factor = vmulq_f32(factor, vld1q_f32(row.k_scales + j));
    const float32x4_t product = vmulq_f32(vld1q_f32(row.scores + j), factor);
    const float32x4_t score = vbslq_f32(seen(row, j), product, vdupq_n_f32(-__builtin_inff()));
    largest = vbslq_f32(vcgtq_f32(score, largest), score, largest);  // passes over NaN
    vst1q_f32(row.scores + j, score);
  }
  const float max = vmaxvq_f32(largest);
  // While every score is -infinity the weights are exp(-infinity) = 0, not NaN.
  const float32x4_t offset = vdupq_n_f32(max == -__builtin_inff() ? 0.0f : max);
  float32x4_t sum = vdupq_n_f32(0);
  for (int64_t j = 0; j < kBlockKeys; j += 4) {
    const uint32x4_t mask = seen(row, j);
    float32x4_t p = where(mask, exp_neon(vsubq_f32(vld1q_f32(row.scores + j), offset)));
    sum = vaddq_f32(sum, p);
    // What is not seen may have any scale.
    if (row.v_scales) p = where(mask, vmulq_f32(p, vld1q_f32(row.v_scales + j)));
    vst1q_f32(row.scores + j, p);
  }
  const float correction = vgetq_lane_f32(exp_neon(vsubq_f32(vdupq_n_f32(*row.max), offset)), 0);
  *row.correction = correction;
  *row.sum = *row.sum * correction + vaddvq_f32(sum);
  *row.max = max;
}

}  // namespace

const AttentionKernel kAttentionNeon = {to_f32, nullptr, round, product, nullptr, softmax};

}  // namespace octet::kernels
