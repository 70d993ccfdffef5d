// Fastest first. A new instruction set is a file beside this one and a row here.
#include "kernels/gemm/layout.h"

namespace octet::kernels {
namespace {

constexpr TileKernel kInt8Tiles[] = {
    {"reference", 0, int8_tile__reference},
};
constexpr TileKernel kBf16Tiles[] = {
    {"reference", 0, bf16_tile__reference},
};
constexpr TileKernel kF32Tiles[] = {
    {"reference", 0, f32_tile__reference},
};
constexpr WidenKernel kWiden[] = {
    {"reference", 0, widen__reference},
};

}  // namespace

std::span<const TileKernel> tile_kernels(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::int8:
      return kInt8Tiles;
    case Arithmetic::bf16:
      return kBf16Tiles;
    case Arithmetic::f32:
      break;
  }
  return kF32Tiles;
}

std::span<const WidenKernel> widen_kernels() {
  return kWiden;
}

std::vector<FamilyChoice> explain_gemm() {
  return {explain("gemm INT8", tile_kernels(Arithmetic::int8)),
          explain("gemm BF16 and FP8", tile_kernels(Arithmetic::bf16)),
          explain("gemm F32", tile_kernels(Arithmetic::f32)), explain("gemm widening of codes", widen_kernels())};
}

}  // namespace octet::kernels
