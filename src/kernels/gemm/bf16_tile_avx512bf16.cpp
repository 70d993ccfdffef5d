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

/// A few tokens by codes: 64 of them become BF16 in registers and meet every token there. The sums of one token by one
/// panel would wait for each other: of few tokens, two panels are under way at a time.
template <int kRows, int kPanels, bool kSymmetric>
void multiply_codes(const Tile& t) {
  const Table table(*t.table);
  auto* memory = static_cast<char*>(t.acc);
  Sum sums[kPanels][kRows][2];
  for (int i = 0; i < kPanels * kRows * 2; ++i) {
    sums[i / 2 / kRows][i / 2 % kRows][i % 2] = t.begins ? _mm512_setzero_ps() : load(memory + i * 64);
  }
  const std::byte* ahead = t.ahead ? t.ahead : t.w;
  const int64_t ahead_step = t.ahead_step / kQuad;
  for (int64_t s = 0; s < t.steps; ++s, ahead += ahead_step) {
    __m512i inputs[kRows];
    for (int r = 0; r < kRows; ++r) {
      int x;
      __builtin_memcpy(&x, t.a + r * t.a_stride + s * 4, 4);
      inputs[r] = _mm512_set1_epi32(x);
    }
    for (int p = 0; p < kPanels; ++p) {
      _mm_prefetch(ahead + p * t.w_stride, _MM_HINT_T0);
      __m512i low, high;
      look_up<kSymmetric>(table, _mm512_loadu_si512(t.w + p * t.w_stride + s * 64), low, high);
      const __m512i w0 = _mm512_unpacklo_epi8(low, high), w1 = _mm512_unpackhi_epi8(low, high);
      for (int r = 0; r < kRows; ++r) {
        sums[p][r][0] = multiply_add(sums[p][r][0], w0, inputs[r]);
        sums[p][r][1] = multiply_add(sums[p][r][1], w1, inputs[r]);
      }
    }
  }
  for (int i = 0; i < kPanels * kRows * 2; ++i) store(memory + i * 64, sums[i / 2 / kRows][i / 2 % kRows][i % 2]);
}

template <int kRows, int kPanels>
void dispatch_table(const Tile& t) {
  t.table->symmetric ? multiply_codes<kRows, kPanels, true>(t) : multiply_codes<kRows, kPanels, false>(t);
}

template <int kRows>
void dispatch_codes(const Tile& t) {
  if constexpr (kRows > 1) {
    if (t.rows < kRows) return dispatch_codes<kRows - 1>(t);
  }
  if constexpr (kRows <= kPairRows) {
    if (t.panels == 2) return dispatch_table<kRows, 2>(t);
  }
  dispatch_table<kRows, 1>(t);
}

void end_panels(const Tile& tile) {
  Tile t = tile;
  for (int p = 0; p < tile.panels; ++p) {
    end_group(t);
    t.acc = static_cast<std::byte*>(t.acc) + t.rows * kPanelStepBytes;
    t.weight_scales += t.panel_scales_stride;
    if (t.zero_points) t.zero_points += t.panel_scales_stride;
    t.totals += t.rows * kPanel;
    if (t.bias) t.bias += kPanel;
    t.y += kPanel;
    t.columns = t.last_columns;
  }
}

}  // namespace

void bytes_tile__avx512_bf16(const Tile& tile) {
  Tile t = tile;
  for (int g = 0; g < tile.groups; ++g) {
    t.first = tile.first && g == 0;
    t.last = tile.last && g + 1 == tile.groups;
    for (int p = 0; p < t.panels; ++p) {  // they are read once, like codes
      _mm_prefetch(t.weight_scales + p * t.panel_scales_stride + 8 * kPanel, _MM_HINT_T0);
      _mm_prefetch(t.weight_scales + p * t.panel_scales_stride + 8 * kPanel + 16, _MM_HINT_T0);
    }
    dispatch_codes<kBytesTileRows>(t);
    if (t.ends) end_panels(t);
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
