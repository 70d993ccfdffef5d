#include <arm_neon.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {
namespace {

struct Op {
  using Sum = float32x4_t;
  using Weights = float32x4_t;
  using Inputs = float32x4_t;
  static constexpr int kRowsAtOnce = 4;

  static Sum zero() { return vdupq_n_f32(0); }
  static Sum load(const void* from) { return vld1q_f32(static_cast<const float*>(from)); }
  static void store(void* to, Sum sum) { vst1q_f32(static_cast<float*>(to), sum); }
  static Weights weights(const std::byte* w) { return vld1q_f32(reinterpret_cast<const float*>(w)); }
  static Inputs inputs(const std::byte* a) { return vld1q_dup_f32(reinterpret_cast<const float*>(a)); }
  static Sum multiply_add(Sum sum, Weights w, Inputs a) { return vfmaq_f32(sum, w, a); }

  static float32x4_t finish(const Tile& t, int row, int channel, Sum sum) {
    if (!t.zero_points) return sum;
    const float32x4_t zero_points = vcvtq_f32_s32(vld1q_s32(t.zero_points + channel));
    return vfmsq_n_f32(sum, zero_points, static_cast<const float*>(t.row_sums)[row]);
  }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_neon.inc"

namespace octet::kernels {
void f32_tile__neon(const Tile& t) {
  tile(t);
}
}  // namespace octet::kernels
