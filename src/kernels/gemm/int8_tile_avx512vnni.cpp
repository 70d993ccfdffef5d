#include <immintrin.h>

#include "kernels/gemm/tile.h"

#define OCTET_TILE_OPCODE "vpdpbusd"

namespace octet::kernels {
namespace {

using Sum = __m512i;
Sum zero() {
  return _mm512_setzero_si512();
}
Sum load(const void* from) {
  return _mm512_load_si512(from);
}
void store(void* to, Sum sum) {
  _mm512_store_si512(to, sum);
}
Sum multiply_add(Sum sum, __m512i w, __m512i a) {
  return _mm512_dpbusd_epi32(sum, w, a);
}

/// sum (code - zero point) (q - zx) from sum (code + 128) q.
struct Correction {
  Correction(const Tile& t, int half) : offsets(_mm512_set1_epi32(128)), columns(_mm512_setzero_si512()) {
    if (t.zero_points) offsets = _mm512_add_epi32(offsets, _mm512_loadu_si512(t.zero_points + half * 16));
    if (t.column_offsets) columns = _mm512_loadu_si512(t.column_offsets + half * 16);
  }
  __m512i offsets, columns;
};

__m512 finish(const Tile& t, const Correction& c, int row, Sum sum) {
  const int row_sum = static_cast<const int*>(t.row_sums)[row * t.row_sum_stride];
  const __m512i offset = _mm512_mullo_epi32(c.offsets, _mm512_set1_epi32(row_sum));
  return _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_sub_epi32(sum, offset), c.columns));
}

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx512.inc"

namespace octet::kernels {
void int8_tile__avx512_vnni(const Tile& t) {
  tile_assembly(t);
}
void int8_tile__avx512_vnni_intrinsics(const Tile& t) {
  tile_intrinsics(t);
}
}  // namespace octet::kernels
