#include <arm_neon.h>

#include "kernels/gemm/tile.h"
#include "kernels/gemm/tile_int8_neon.inc"

namespace octet::kernels {
namespace {

struct Op : SignedInt8Sum {
  static constexpr int kRowsAtOnce = 2;

  /// A product of two codes takes 16 bits, a sum of two of them more.
  static Sum multiply_add(Sum sum, Weights w, Inputs a) {
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(a)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(w, a));
    return vaddq_s32(sum, vpaddq_s32(low, high));
  }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_neon.inc"

namespace octet::kernels {
void int8_tile__neon(const Tile& t) {
  tile(t);
}
}  // namespace octet::kernels
