#include <immintrin.h>

#include "kernels/gemm/tile.h"

#define OCTET_TILE_OPCODE "vdpbf16ps"
#include "kernels/gemm/tile_float_avx512.inc"

namespace octet::kernels {
namespace {
Sum multiply_add(Sum sum, __m512i w, __m512i a) {
  return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)a);
}
}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx512.inc"

namespace octet::kernels {
void bf16_tile__avx512_bf16(const Tile& t) {
  tile_assembly(t);
}
void bf16_tile__avx512_bf16_intrinsics(const Tile& t) {
  tile_intrinsics(t);
}
}  // namespace octet::kernels
