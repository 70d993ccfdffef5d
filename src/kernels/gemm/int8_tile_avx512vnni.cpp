#include <immintrin.h>

#include "kernels/gemm/tile.h"

#define OCTET_TILE_OPCODE "vpdpbusd"
// The sums of row r start at what takes back the 128 that every code of the weight is too large by.
#define OCTET_TILE_START(r, low, high)           \
  ".if %c[rows] > " #r                           \
  "\n\t"                                         \
  "vpbroadcastd 4*" #r "(%[start]), %%zmm" #low  \
  "\n\t"                                         \
  "vpbroadcastd 4*" #r "(%[start]), %%zmm" #high \
  "\n\t"                                         \
  ".endif\n\t"

#define OCTET_GROUP_TO_FLOAT(r, sum)                              \
  "vpaddd 4*" #r "(%[start])%{1to16%}, %%zmm" #sum ", %%zmm" #sum \
  "\n\t"                                                          \
  "vcvtdq2ps %%zmm" #sum ", %%zmm" #sum "\n\t"

namespace octet::kernels {
namespace {

using Sum = __m512i;
int32_t start_of(const Tile& t, int row) {
  return -128 * static_cast<const int32_t*>(t.row_sums)[row];
}
void put_starts(const Tile&, const void* row_sums, int32_t* starts) {
  const __m512i sums = _mm512_loadu_si512(row_sums);
  _mm512_store_si512(starts, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sums, 7)));
}
Sum start(const Tile& t, int row) {
  return _mm512_set1_epi32(start_of(t, row));
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

/// What the zero points of weight and input take away.
struct Correction {
  Correction(const Tile& t, int half) : active(t.zero_points || t.column_offsets) {
    if (t.zero_points) zero_points = _mm512_loadu_si512(t.zero_points + half * 16);
    if (t.column_offsets) columns = _mm512_loadu_si512(t.column_offsets + half * 16);
  }
  bool active;
  __m512i zero_points = _mm512_setzero_si512(), columns = _mm512_setzero_si512();
};

__m512 finish(const Tile& t, const Correction& c, int row, Sum sum) {
  if (c.active) {
    const int row_sum = static_cast<const int*>(t.row_sums)[row];
    sum = _mm512_sub_epi32(sum, _mm512_mullo_epi32(c.zero_points, _mm512_set1_epi32(row_sum)));
    sum = _mm512_add_epi32(sum, c.columns);
  }
  return _mm512_cvtepi32_ps(sum);
}

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx512.inc"

namespace octet::kernels {
void int8_tile__avx512_vnni(const Tile& t) {
  tile_assembly(t);
}
void int8_groups__avx512_vnni(const Tile& t) {
  tile_groups(t);
}
void int8_tile__avx512_vnni_intrinsics(const Tile& t) {
  tile_intrinsics(t);
}
}  // namespace octet::kernels
