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

#include "kernels/gemm/code_table_avx512bf16.inc"
#include "kernels/gemm/tile_avx512.inc"

namespace octet::kernels {
namespace {

/// A few tokens by codes: 64 of them become BF16 in registers and meet every token there.
template <int kRows, bool kSymmetric>
void multiply_codes(const Tile& t) {
  const Table table(*t.table);
  auto* memory = static_cast<char*>(t.acc);
  Sum low[kRows], high[kRows];
  for (int r = 0; r < kRows; ++r) {
    low[r] = t.begins ? start(t, r) : load(memory + r * 128);
    high[r] = t.begins ? start(t, r) : load(memory + r * 128 + 64);
  }
  const std::byte* ahead = t.ahead ? t.ahead : t.w;
  for (int64_t s = 0; s < t.steps; ++s) {
    _mm_prefetch(ahead + s * t.ahead_step / kQuad, _MM_HINT_T0);
    __m512i low_bytes, high_bytes;
    look_up<kSymmetric>(table, _mm512_loadu_si512(t.w + s * 64), low_bytes, high_bytes);
    const __m512i w0 = _mm512_unpacklo_epi8(low_bytes, high_bytes), w1 = _mm512_unpackhi_epi8(low_bytes, high_bytes);
    for (int r = 0; r < kRows; ++r) {
      int x;
      __builtin_memcpy(&x, t.a + r * t.a_stride + s * 4, 4);
      low[r] = multiply_add(low[r], w0, _mm512_set1_epi32(x));
      high[r] = multiply_add(high[r], w1, _mm512_set1_epi32(x));
    }
  }
  for (int r = 0; r < kRows; ++r) {
    store(memory + r * 128, low[r]);
    store(memory + r * 128 + 64, high[r]);
  }
}

template <int kRows>
void dispatch_codes(const Tile& t) {
  if constexpr (kRows > 1) {
    if (t.rows < kRows) return dispatch_codes<kRows - 1>(t);
  }
  t.table->symmetric ? multiply_codes<kRows, true>(t) : multiply_codes<kRows, false>(t);
}

}  // namespace

void bytes_tile__avx512_bf16(const Tile& tile) {
  Tile t = tile;
  for (int g = 0; g < tile.groups; ++g) {
    t.first = tile.first && g == 0;
    t.last = tile.last && g + 1 == tile.groups;
    _mm_prefetch(t.weight_scales + 8 * kPanel, _MM_HINT_T0);  // they are read once, like codes
    _mm_prefetch(t.weight_scales + 8 * kPanel + 16, _MM_HINT_T0);
    dispatch_codes<kBytesTileRows>(t);
    if (t.ends) end_group(t);
    t.a += t.steps * kStepBytes;
    t.w += t.steps * 64;
    if (t.ahead) t.ahead += t.steps * t.ahead_step / kQuad;
    t.input_scales += t.input_scales_stride;
    t.weight_scales += t.weight_scales_stride;
  }
}

void bf16_tile__avx512_bf16(const Tile& t) {
  tile_assembly(t);
}
void bf16_groups__avx512_bf16(const Tile& t) {
  tile_groups(t);
}
void bf16_tile__avx512_bf16_intrinsics(const Tile& t) {
  tile_intrinsics(t);
}
}  // namespace octet::kernels
