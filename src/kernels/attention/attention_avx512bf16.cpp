#include <immintrin.h>

#include "kernels/attention/attention_avx512.h"
#include "kernels/attention/decode_tables.h"

namespace octet::kernels {
namespace {

[[gnu::always_inline]] inline __m512bh bf16_pairs(__m512i bits) {
  return reinterpret_cast<__m512bh>(bits);
}

// A tile of products kept in registers. A pair of a is broadcast, each lane adds a pair of b.
template <int kRows, int kVectors>
void tile(const uint16_t* a, int64_t a_stride, const uint16_t* b, int64_t b_stride, int64_t pairs, float* c,
          int64_t c_stride, const float* correction, const char* ahead, int64_t ahead_step) {
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      sums[i][j] = correction ? _mm512_mul_ps(_mm512_loadu_ps(c + i * c_stride + 16 * j), _mm512_set1_ps(correction[i]))
                              : _mm512_setzero_ps();
    }
  }
  for (int64_t k = 0; k < pairs; ++k, b += b_stride, a += 2, ahead += ahead_step) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) _mm_prefetch(ahead + 64 * j, _MM_HINT_T0);
    __m512bh row[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) row[j] = bf16_pairs(_mm512_loadu_si512(b + 32 * j));
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const __m512bh pair = bf16_pairs(
          _mm512_castps_si512(_mm512_broadcastss_ps(_mm_load_ss(reinterpret_cast<const float*>(a + i * a_stride)))));
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], row[j], pair);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) _mm512_storeu_ps(c + i * c_stride + 16 * j, sums[i][j]);
  }
}

using Tile = void(const uint16_t*, int64_t, const uint16_t*, int64_t, int64_t, float*, int64_t, const float*,
                  const char*, int64_t);

// By rows - 1 and vectors - 1.
constexpr Tile* kTiles[6][4] = {
    {tile<1, 1>, tile<1, 2>, tile<1, 3>, tile<1, 4>}, {tile<2, 1>, tile<2, 2>, tile<2, 3>, tile<2, 4>},
    {tile<3, 1>, tile<3, 2>, tile<3, 3>, tile<3, 4>}, {tile<4, 1>, tile<4, 2>, tile<4, 3>, tile<4, 4>},
    {tile<5, 1>, tile<5, 2>, tile<5, 3>, tile<5, 4>}, {tile<6, 1>, tile<6, 2>, tile<6, 3>, tile<6, 4>},
};

void product_pairs(const uint16_t* a, int64_t a_stride, const uint16_t* b, int64_t pairs, int64_t width, int64_t rows,
                   float* c, int64_t c_stride, const float* correction, const char* ahead, int64_t ahead_step) {
  for (int64_t row = 0; row < rows; row += 6) {
    const int64_t height = rows - row < 6 ? rows - row : 6;
    for (int64_t column = 0; column < width; column += 64) {
      const int64_t vectors = width - column < 64 ? (width - column) / 16 : 4;
      kTiles[height - 1][vectors - 1](a + row * a_stride, a_stride, b + 2 * column, 2 * width, pairs,
                                      c + row * c_stride + column, c_stride, correction ? correction + row : nullptr,
                                      ahead + column * ahead_step / width, ahead_step);
    }
  }
}

// Codes to BF16 by their tables: 128 entries of two bytes, looked up a byte at a time; the sign is added.
template <bool kTwosComplement>
void decode(const DecodeTable& table, const uint8_t* codes, int64_t n, uint16_t* out) {
  const __m512i low0 = _mm512_loadu_si512(table.low), low1 = _mm512_loadu_si512(table.low + 64);
  const __m512i high0 = _mm512_loadu_si512(table.high), high1 = _mm512_loadu_si512(table.high + 64);
  // Unpacking works within 128 bits, so the quarters are put where it brings them into order.
  const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
  for (int64_t i = 0; i < n; i += 64) {
    const __m512i code = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(codes + i));
    const __m512i index = kTwosComplement ? _mm512_abs_epi8(code) : code;
    const __m512i low = _mm512_permutex2var_epi8(low0, index, low1);
    __m512i high = _mm512_permutex2var_epi8(high0, index, high1);
    high =
        _mm512_ternarylogic_epi64(high, code, _mm512_set1_epi8(static_cast<char>(0x80)), 0xF8);  // high | (code & 0x80)
    _mm512_storeu_si512(out + i, _mm512_unpacklo_epi8(low, high));
    _mm512_storeu_si512(out + i + 32, _mm512_unpackhi_epi8(low, high));
  }
}

[[gnu::always_inline]] inline __m512i rounded(const float* x) {
  return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(x))));
}

void to_pairs(Stored stored, const void* panel, int64_t depth, int64_t width, uint16_t* out) {
  const auto* codes = static_cast<const uint8_t*>(panel);
  if (stored == Stored::e4m3) return decode<false>(kE4m3AsBf16, codes, depth * width, out);
  if (stored == Stored::int8) return decode<true>(kInt8AsBf16, codes, depth * width, out);
  const auto* x = static_cast<const float*>(panel);
  for (int64_t row = 0; row < depth; row += 2, x += 2 * width) {
    for (int64_t column = 0; column < width; column += 16, out += 32) {
      const __m512i odd = _mm512_slli_epi32(rounded(x + width + column), 16);
      _mm512_storeu_si512(out, _mm512_or_si512(rounded(x + column), odd));
    }
  }
}

void softmax(const SoftmaxRow& row) {
  attention_softmax_avx512(row);
  if (!row.rounded) return;
  for (int64_t j = 0; j < kBlockKeys; j += 16) {
    const auto p = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(row.scores + j)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row.rounded + j), p);
  }
}

}  // namespace

const AttentionKernel kAttentionAvx512Bf16 = {attention_to_f32_avx512,  to_pairs,      attention_round_avx512,
                                              attention_product_avx512, product_pairs, softmax};

}  // namespace octet::kernels
