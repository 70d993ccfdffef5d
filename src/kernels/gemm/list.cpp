// Fastest first. A new instruction set is a file beside this one and a row here.
#include <algorithm>

#include "kernels/gemm/layout.h"

namespace octet::kernels {
namespace {

// clang-format off
constexpr TileKernel kInt8Tiles[] = {
#if defined(__x86_64__)
    {"avx512_vnni_12x32",            kAvx512 | kAvx512Vnni, int8_tile__avx512_vnni},
    {"avx512_vnni_12x32_intrinsics", kAvx512 | kAvx512Vnni, int8_tile__avx512_vnni_intrinsics},
    {"avx2_4x16",                    kAvx2,                 int8_tile__avx2},
#elif defined(__aarch64__)
    {"neon_i8mm_4x16",               kNeon | kI8mm,         int8_tile__neon_i8mm},
    {"neon_dotprod_4x16",            kNeon | kDotprod,      int8_tile__neon_dotprod},
    {"neon_2x16",                    kNeon,                 int8_tile__neon},
#endif
    {"reference",                    0,                     int8_tile__reference},
};
constexpr TileKernel kBf16Tiles[] = {
#if defined(__x86_64__)
    {"avx512_bf16_12x32",            kAvx512 | kAvx512Bf16, bf16_tile__avx512_bf16},
    {"avx512_bf16_12x32_intrinsics", kAvx512 | kAvx512Bf16, bf16_tile__avx512_bf16_intrinsics},
#endif
    {"reference",                    0,                     bf16_tile__reference},
};
// What is exact in BF16 is multiplied as such only where that is faster than F32.
constexpr TileKernel kBf16Products[] = {
#if defined(__x86_64__)
    {"avx512_bf16_12x32",            kAvx512 | kAvx512Bf16 | kFastBf16, bf16_tile__avx512_bf16},
    {"f32_avx512_12x32",             kAvx512,               f32_tile__avx512},
    {"f32_avx2_4x16",                kAvx2,                 f32_tile__avx2},
#elif defined(__aarch64__)
    {"f32_neon_4x16",                kNeon,                 f32_tile__neon},
#endif
    {"f32_reference",                0,                     f32_tile__reference},
};
constexpr TileKernel kF32Tiles[] = {
#if defined(__x86_64__)
    {"avx512_12x32",                 kAvx512,               f32_tile__avx512},
    {"avx512_12x32_intrinsics",      kAvx512,               f32_tile__avx512_intrinsics},
    {"avx2_4x16",                    kAvx2,                 f32_tile__avx2},
#elif defined(__aarch64__)
    {"neon_4x16",                    kNeon,                 f32_tile__neon},
#endif
    {"reference",                    0,                     f32_tile__reference},
};
constexpr WidenKernel kWiden[] = {
#if defined(__x86_64__)
    {"avx512_vbmi",                  kAvx2 | kAvx512 | kAvx512Vbmi, widen__avx512_bf16},
    {"avx512",                       kAvx2 | kAvx512,               widen__avx512},
    {"avx2",                         kAvx2,                 widen__avx2},
#elif defined(__aarch64__)
    {"neon",                         kNeon,                 widen__neon},
#endif
    {"reference",                    0,                     widen__reference},
};
// Tiles of groups, for every arithmetic in turn.
constexpr TileKernel kInt8Groups[] = {
#if defined(__x86_64__)
    {"avx512_vnni_12x32",            kAvx512 | kAvx512Vnni, int8_groups__avx512_vnni},
#endif
    {"reference: one by one",        0,                     nullptr},
};
constexpr TileKernel kBf16Groups[] = {
#if defined(__x86_64__)
    {"avx512_bf16_12x32",            kAvx512 | kAvx512Bf16, bf16_groups__avx512_bf16},
#endif
    {"reference: one by one",        0,                     nullptr},
};
constexpr TileKernel kF32Groups[] = {
#if defined(__x86_64__)
    {"avx512_12x32",                 kAvx512,               f32_groups__avx512},
#endif
    {"reference: one by one",        0,                     nullptr},
};
// For a few tokens, where writing the widened codes down would take longer than multiplying them.
constexpr TileKernel kBytesTiles[] = {
#if defined(__x86_64__)
    {"avx512_bf16_vbmi_8x32",        kAvx512 | kAvx512Bf16 | kAvx512Vbmi, bytes_tile__avx512_bf16},
#endif
    {"reference: widened first",     0,                     nullptr},
};
// clang-format on

}  // namespace

Arithmetic bf16_arithmetic() {
  static TileFunction* const chosen = choose<TileFunction>(kBf16Products).run;
  static const bool bf16 = std::any_of(std::begin(kBf16Tiles), std::end(kBf16Tiles),
                                       [](const TileKernel& tile) { return tile.run == chosen; });
  return bf16 ? Arithmetic::bf16 : Arithmetic::f32;
}

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

std::span<const TileKernel> group_kernels(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::int8:
      return kInt8Groups;
    case Arithmetic::bf16:
      return kBf16Groups;
    case Arithmetic::f32:
      break;
  }
  return kF32Groups;
}

std::span<const TileKernel> bytes_kernels() {
  return kBytesTiles;
}

GemmKernels best_kernels(Arithmetic arithmetic) {
  return {choose(tile_kernels(arithmetic)).run, choose(widen_kernels()).run, choose(group_kernels(arithmetic)).run,
          choose(bytes_kernels()).run};
}

std::vector<FamilyChoice> explain_gemm() {
  return {explain("gemm INT8", tile_kernels(Arithmetic::int8)),
          explain<TileFunction>("gemm BF16 and FP8", kBf16Products),
          explain("gemm F32", tile_kernels(Arithmetic::f32)),
          explain("gemm INT8 groups", group_kernels(Arithmetic::int8)),
          explain("gemm widening of codes", widen_kernels()),
          explain("gemm few tokens by FP8", bytes_kernels())};
}

}  // namespace octet::kernels
