// usmmla multiplies 2 channels by 2 tokens, 8 columns of each: tokens go in pairs through steps in pairs. A last token
// or step that has no other goes through usdot.
#include <arm_neon.h>

#include "kernels/gemm/tile.h"
#include "kernels/gemm/tile_int8_neon.inc"

namespace octet::kernels {
namespace {

struct Op : Int8Sum {
  using Weights = uint8x16_t;
  static constexpr int kRowsAtOnce = 4;

  static Weights weights(const std::byte* w) { return vld1q_u8(reinterpret_cast<const uint8_t*>(w)); }
  static Sum multiply_add(Sum sum, Weights w, Inputs a) { return vusdotq_s32(sum, w, a); }
  static float32x4_t finish(const Tile& t, int row, int channel, Sum sum) {
    return corrected(t, row, channel, sum, 128);
  }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_neon.inc"

namespace octet::kernels {
namespace {

/// 4 channels of 2 tokens: in memory a token after the other, in registers as usmmla has it: channels 0 and 1, each of
/// both tokens, then channels 2 and 3.
struct PairSums {
  int32x4_t first, second;
};

PairSums load(const int32_t* from) {
  const int32x4_t one = vld1q_s32(from), two = vld1q_s32(from + kPanel);
  return {vzip1q_s32(one, two), vzip2q_s32(one, two)};
}

void store(int32_t* to, PairSums sums) {
  vst1q_s32(to, vuzp1q_s32(sums.first, sums.second));
  vst1q_s32(to + kPanel, vuzp2q_s32(sums.first, sums.second));
}

/// Two steps of a pair of tokens.
int8x16_t pair_inputs(const std::byte* a, int64_t stride) {
  const auto* one = reinterpret_cast<const int8_t*>(a);
  return vcombine_s8(vld1_s8(one), vld1_s8(one + stride));
}

template <int kPairs>
void multiply_pairs(const Tile& t, int row, int channel) {
  const std::byte* a = t.a + row * t.a_stride;
  const std::byte* w = t.w + channel * kStepBytes;
  auto* memory = static_cast<int32_t*>(t.acc) + row * kPanel + channel;
  PairSums sums[kPairs][kVectors];
#pragma GCC unroll 2
  for (int p = 0; p < kPairs; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sums[p][v] = t.begins ? PairSums{Op::zero(), Op::zero()} : load(memory + 2 * p * kPanel + v * kLanes);
    }
  }
  for (int64_t s = 0; s + 2 <= t.steps; s += 2, w += 2 * kPanelStepBytes, a += 2 * kStepBytes) {
    int8x16_t inputs[kPairs];
#pragma GCC unroll 2
    for (int p = 0; p < kPairs; ++p) inputs[p] = pair_inputs(a + 2 * p * t.a_stride, t.a_stride);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const uint32x4_t now = vreinterpretq_u32_u8(Op::weights(w + v * 16));
      const uint32x4_t next = vreinterpretq_u32_u8(Op::weights(w + kPanelStepBytes + v * 16));
      const uint8x16_t first = vreinterpretq_u8_u32(vzip1q_u32(now, next));
      const uint8x16_t second = vreinterpretq_u8_u32(vzip2q_u32(now, next));
#pragma GCC unroll 2
      for (int p = 0; p < kPairs; ++p) {
        sums[p][v].first = vusmmlaq_s32(sums[p][v].first, first, inputs[p]);
        sums[p][v].second = vusmmlaq_s32(sums[p][v].second, second, inputs[p]);
      }
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < kPairs; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(memory + 2 * p * kPanel + v * kLanes, sums[p][v]);
  }
}

constexpr Multiply* kMultiplyPairs[] = {multiply_pairs<1>, multiply_pairs<2>};

void multiply_panel(const Tile& t) {
  const int paired = t.rows / 2 * 2;
  for (int row = 0; row < paired; row += 4) {
    const int pairs = paired - row < 4 ? 1 : 2;
    for (int channel = 0; channel < kPanel; channel += kChannels) kMultiplyPairs[pairs - 1](t, row, channel);
  }
  multiply_rows(t, paired, t.rows);
  if (t.steps % 2 == 0) return;
  Tile last = t;
  last.a += (t.steps - 1) * kStepBytes;
  last.w += (t.steps - 1) * kPanelStepBytes;
  last.steps = 1;
  last.begins = false;
  multiply_rows(last, 0, paired);
}

}  // namespace

void int8_tile__neon_i8mm(const Tile& t) {
  tile(t, multiply_panel);
}

}  // namespace octet::kernels
