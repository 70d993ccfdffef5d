#include <arm_neon.h>

#include "kernels/gemm/tile.h"
#include "kernels/gemm/tile_int8_neon.inc"

namespace octet::kernels {
namespace {

struct Op : SignedInt8Sum {
  static constexpr int kRowsAtOnce = 4;
  static Sum multiply_add(Sum sum, Weights w, Inputs a) { return vdotq_s32(sum, w, a); }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_neon.inc"

namespace octet::kernels {
void int8_tile__neon_dotprod(const Tile& t) {
  tile(t);
}
}  // namespace octet::kernels
