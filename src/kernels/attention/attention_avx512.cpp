#include "kernels/attention/attention_avx512.h"

#include <immintrin.h>

#include "kernels/elementwise/exp_avx512.h"

namespace octet::kernels {
namespace {

// The values of codes in the low 8 bits of each lane, exact, subnormals included.
[[gnu::always_inline]] inline __m512 float_of_e4m3(__m512i code) {
  const __m512i magnitude = _mm512_and_si512(code, _mm512_set1_epi32(0x7F));
  const __m512i normal = _mm512_add_epi32(_mm512_slli_epi32(magnitude, 20), _mm512_set1_epi32(120 << 23));
  const __m512 subnormal = _mm512_mul_ps(_mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(0x1p-9f));
  __m512 value = _mm512_mask_mov_ps(_mm512_castsi512_ps(normal),
                                    _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(8)), subnormal);
  value = _mm512_mask_mov_ps(value, _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7F)),
                             _mm512_castsi512_ps(_mm512_set1_epi32(0x7FF00000)));
  const __m512i sign = _mm512_slli_epi32(_mm512_and_si512(code, _mm512_set1_epi32(0x80)), 24);
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(value), sign));
}

struct Pair {
  __m512 even, odd;
};

// Rows 2i and 2i+1 of 16 columns.
[[gnu::always_inline]] inline Pair decode_pair(Stored stored, const char* at) {
  if (stored == Stored::bf16) {
    const __m512i both = _mm512_loadu_si512(at);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(both, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(static_cast<int>(0xFFFF0000))))};
  }
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  if (stored == Stored::e4m3) {
    const __m512i both = _mm512_cvtepu8_epi16(bytes);
    return {float_of_e4m3(both), float_of_e4m3(_mm512_srli_epi32(both, 16))};
  }
  const __m512i both = _mm512_cvtepi8_epi16(bytes);
  return {_mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(both, 16), 16)),
          _mm512_cvtepi32_ps(_mm512_srai_epi32(both, 16))};
}

// A tile of products kept in registers.
template <int kRows, int kVectors>
void tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, float* c, int64_t c_stride,
          const float* correction, const char* ahead, int64_t ahead_step) {
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      sums[i][j] = correction ? _mm512_mul_ps(_mm512_loadu_ps(c + i * c_stride + 16 * j), _mm512_set1_ps(correction[i]))
                              : _mm512_setzero_ps();
    }
  }
  for (int64_t k = 0; k < depth; ++k, b += b_stride, ahead += ahead_step) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) _mm_prefetch(ahead + 64 * j, _MM_HINT_T0);
    __m512 row[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) row[j] = _mm512_loadu_ps(b + 16 * j);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const __m512 value = _mm512_set1_ps(a[i * a_stride + k]);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) sums[i][j] = _mm512_fmadd_ps(value, row[j], sums[i][j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) _mm512_storeu_ps(c + i * c_stride + 16 * j, sums[i][j]);
  }
}

using Tile = void(const float*, int64_t, const float*, int64_t, int64_t, float*, int64_t, const float*, const char*,
                  int64_t);

// By rows - 1 and vectors - 1.
constexpr Tile* kTiles[6][4] = {
    {tile<1, 1>, tile<1, 2>, tile<1, 3>, tile<1, 4>}, {tile<2, 1>, tile<2, 2>, tile<2, 3>, tile<2, 4>},
    {tile<3, 1>, tile<3, 2>, tile<3, 3>, tile<3, 4>}, {tile<4, 1>, tile<4, 2>, tile<4, 3>, tile<4, 4>},
    {tile<5, 1>, tile<5, 2>, tile<5, 3>, tile<5, 4>}, {tile<6, 1>, tile<6, 2>, tile<6, 3>, tile<6, 4>},
};

}  // namespace

void attention_to_f32_avx512(Stored stored, const void* panel, int64_t depth, int64_t width, float* out) {
  const char* at = static_cast<const char*>(panel);
  const int64_t step = stored == Stored::bf16 ? 64 : 32;
  for (int64_t row = 0; row < depth; row += 2, out += 2 * width) {
    for (int64_t column = 0; column < width; column += 16, at += step) {
      const Pair pair = decode_pair(stored, at);
      _mm512_storeu_ps(out + column, pair.even);
      _mm512_storeu_ps(out + width + column, pair.odd);
    }
  }
}

void attention_round_avx512(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const __m512 value = _mm512_loadu_ps(x + i);
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7FFF)));
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), bits,
                                   _mm512_set1_epi32(0x00400000));
    rounded = _mm512_and_si512(rounded, _mm512_set1_epi32(static_cast<int>(0xFFFF0000)));
    _mm512_storeu_ps(out + i, _mm512_castsi512_ps(rounded));
  }
}

void attention_product_avx512(const float* a, int64_t a_stride, const float* b, int64_t depth, int64_t width,
                              int64_t rows, float* c, int64_t c_stride, const float* correction, const char* ahead,
                              int64_t ahead_step) {
  for (int64_t row = 0; row < rows; row += 6) {
    const int64_t height = rows - row < 6 ? rows - row : 6;
    for (int64_t column = 0; column < width; column += 64) {
      const int64_t vectors = width - column < 64 ? (width - column) / 16 : 4;
      kTiles[height - 1][vectors - 1](a + row * a_stride, a_stride, b + column, width, depth,
                                      c + row * c_stride + column, c_stride, correction ? correction + row : nullptr,
                                      ahead + column * ahead_step / width, ahead_step);
    }
  }
}

void attention_softmax_avx512(const SoftmaxRow& row) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  const uint64_t before_end = row.end >= 64 ? ~uint64_t{0} : (uint64_t{1} << row.end) - 1;
  const uint64_t seen = before_end & ~((uint64_t{1} << row.begin) - 1);
  __m512 scores[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    __m512 factor = _mm512_set1_ps(row.factor);
    if (row.k_scales) factor = _mm512_mul_ps(factor, _mm512_loadu_ps(row.k_scales + 16 * j));
    const auto mask = static_cast<__mmask16>(seen >> (16 * j));
    scores[j] = _mm512_mask_mul_ps(lowest, mask, _mm512_loadu_ps(row.scores + 16 * j), factor);
  }
  const __m512 old = _mm512_set1_ps(*row.max);
  const __m512 largest = _mm512_max_ps(_mm512_max_ps(scores[0], scores[1]), _mm512_max_ps(scores[2], scores[3]));
  const __m512 max = _mm512_set1_ps(_mm512_reduce_max_ps(_mm512_max_ps(largest, old)));
  // While every score is -infinity the weights are exp(-infinity) = 0, not NaN.
  const __m512 offset = _mm512_mask_mov_ps(max, _mm512_cmp_ps_mask(max, lowest, _CMP_EQ_OQ), _mm512_setzero_ps());
  __m512 p[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const auto mask = static_cast<__mmask16>(seen >> (16 * j));
    p[j] = _mm512_maskz_mov_ps(mask, exp_avx512(_mm512_sub_ps(scores[j], offset)));
    // What is not seen may have any scale.
    __m512 weight = p[j];
    if (row.v_scales) weight = _mm512_maskz_mul_ps(mask, p[j], _mm512_loadu_ps(row.v_scales + 16 * j));
    _mm512_storeu_ps(row.scores + 16 * j, weight);
  }
  const float sum = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(p[0], p[1]), _mm512_add_ps(p[2], p[3])));
  const float correction = _mm512_cvtss_f32(exp_avx512(_mm512_sub_ps(old, offset)));
  *row.correction = correction;
  *row.sum = *row.sum * correction + sum;
  *row.max = _mm512_cvtss_f32(max);
}

const AttentionKernel kAttentionAvx512 = {attention_to_f32_avx512,  nullptr, attention_round_avx512,
                                          attention_product_avx512, nullptr, attention_softmax_avx512};

}  // namespace octet::kernels
