#include <immintrin.h>

#include "kernels/gemm/tile.h"

#define OCTET_TILE_OPCODE "vfmadd231ps"
#include "kernels/gemm/tile_float_avx512.inc"

namespace octet::kernels {
namespace {
Sum multiply_add(Sum sum, __m512i w, __m512i a) {
  return _mm512_fmadd_ps(_mm512_castsi512_ps(w), _mm512_castsi512_ps(a), sum);
}
}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx512.inc"

namespace octet::kernels {
void f32_tile__avx512(const Tile& t) {
  tile_assembly(t);
}
void f32_groups__avx512(const Tile& t) {
  tile_groups(t);
}
void f32_tile__avx512_intrinsics(const Tile& t) {
  tile_intrinsics(t);
}
}  // namespace octet::kernels
