#include <immintrin.h>

#include "kernels/attention/attention_kernel.h"
#include "kernels/elementwise/exp_avx2.h"

namespace octet::kernels {
namespace {

[[gnu::always_inline]] inline __m256 choose(__m256i mask, __m256 yes, __m256 no) {
  return _mm256_blendv_ps(no, yes, _mm256_castsi256_ps(mask));
}

// The values of codes in the low 8 bits of each lane, exact, subnormals included.
[[gnu::always_inline]] inline __m256 float_of_e4m3(__m256i code) {
  const __m256i magnitude = _mm256_and_si256(code, _mm256_set1_epi32(0x7F));
  const __m256i normal = _mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), _mm256_set1_epi32(120 << 23));
  const __m256 subnormal = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(0x1p-9f));
  __m256 value = choose(_mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude), subnormal, _mm256_castsi256_ps(normal));
  value = choose(_mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F)),
                 _mm256_castsi256_ps(_mm256_set1_epi32(0x7FF00000)), value);
  const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(code, _mm256_set1_epi32(0x80)), 24);
  return _mm256_or_ps(value, _mm256_castsi256_ps(sign));
}

struct Pair {
  __m256 even, odd;
};

// Rows 2i and 2i+1 of 8 columns.
[[gnu::always_inline]] inline Pair decode_pair(Stored stored, const char* at) {
  if (stored == Stored::bf16) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(both, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(static_cast<int>(0xFFFF0000))))};
  }
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  if (stored == Stored::e4m3) {
    const __m256i both = _mm256_cvtepu8_epi16(bytes);
    return {float_of_e4m3(both), float_of_e4m3(_mm256_srli_epi32(both, 16))};
  }
  const __m256i both = _mm256_cvtepi8_epi16(bytes);
  return {_mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(both, 16), 16)),
          _mm256_cvtepi32_ps(_mm256_srai_epi32(both, 16))};
}

void to_f32(Stored stored, const void* panel, int64_t depth, int64_t width, float* out) {
  const char* at = static_cast<const char*>(panel);
  const int64_t step = stored == Stored::bf16 ? 32 : 16;
  for (int64_t row = 0; row < depth; row += 2, out += 2 * width) {
    for (int64_t column = 0; column < width; column += 8, at += step) {
      const Pair pair = decode_pair(stored, at);
      _mm256_storeu_ps(out + column, pair.even);
      _mm256_storeu_ps(out + width + column, pair.odd);
    }
  }
}

void round(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 8) {
    const __m256 value = _mm256_loadu_ps(x + i);
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(last, _mm256_set1_epi32(0x7FFF)));
    const __m256 quiet = _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x00400000)));
    const __m256 all = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), quiet, _mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    const __m256 upper = _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(0xFFFF0000)));
    _mm256_storeu_ps(out + i, _mm256_and_ps(all, upper));
  }
}

// A tile of products kept in registers: 16 columns.
template <int kRows>
void tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, float* c, int64_t c_stride,
          const float* correction, const char* ahead, int64_t ahead_step) {
  __m256 sums[kRows][2];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
    const __m256 factor = correction ? _mm256_set1_ps(correction[i]) : _mm256_setzero_ps();
    for (int j = 0; j < 2; ++j) {
      sums[i][j] = correction ? _mm256_mul_ps(_mm256_loadu_ps(c + i * c_stride + 8 * j), factor) : _mm256_setzero_ps();
    }
  }
  for (int64_t k = 0; k < depth; ++k, b += b_stride, ahead += ahead_step) {
    _mm_prefetch(ahead, _MM_HINT_T0);
    const __m256 left = _mm256_loadu_ps(b), right = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const __m256 value = _mm256_set1_ps(a[i * a_stride + k]);
      sums[i][0] = _mm256_fmadd_ps(value, left, sums[i][0]);
      sums[i][1] = _mm256_fmadd_ps(value, right, sums[i][1]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < 2; ++j) _mm256_storeu_ps(c + i * c_stride + 8 * j, sums[i][j]);
  }
}

using Tile = void(const float*, int64_t, const float*, int64_t, int64_t, float*, int64_t, const float*, const char*,
                  int64_t);
constexpr Tile* kTiles[6] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

void product(const float* a, int64_t a_stride, const float* b, int64_t depth, int64_t width, int64_t rows, float* c,
             int64_t c_stride, const float* correction, const char* ahead, int64_t ahead_step) {
  for (int64_t row = 0; row < rows; row += 6) {
    const int64_t height = rows - row < 6 ? rows - row : 6;
    for (int64_t column = 0; column < width; column += 16) {
      kTiles[height - 1](a + row * a_stride, a_stride, b + column, width, depth, c + row * c_stride + column, c_stride,
                         correction ? correction + row : nullptr, ahead + column * ahead_step / width, ahead_step);
    }
  }
}

[[gnu::always_inline]] inline float max_of(__m256 x) {
  __m128 max = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  max = _mm_max_ps(max, _mm_movehl_ps(max, max));
  return _mm_cvtss_f32(_mm_max_ss(max, _mm_movehdup_ps(max)));
}

[[gnu::always_inline]] inline float sum_of(__m256 x) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

// Ones in the lanes of keys j … j+7 that the row sees.
[[gnu::always_inline]] inline __m256i seen(const SoftmaxRow& row, int64_t j) {
  const __m256i key =
      _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(j)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(row.begin)), key),
                             _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(row.end)), key));
}

void softmax(const SoftmaxRow& row) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 largest = _mm256_set1_ps(*row.max);
  for (int64_t j = 0; j < kBlockKeys; j += 8) {
    __m256 factor = _mm256_set1_ps(row.factor);
    if (row.k_scales) factor = _mm256_mul_ps(factor, _mm256_loadu_ps(row.k_scales + j));
    const __m256 score = choose(seen(row, j), _mm256_mul_ps(_mm256_loadu_ps(row.scores + j), factor), lowest);
    largest = _mm256_max_ps(score, largest);
    _mm256_storeu_ps(row.scores + j, score);
  }
  const float max = max_of(largest);
  // While every score is -infinity the weights are exp(-infinity) = 0, not NaN.
  const __m256 offset = _mm256_set1_ps(max == -__builtin_inff() ? 0.0f : max);
  __m256 sum = _mm256_setzero_ps();
  for (int64_t j = 0; j < kBlockKeys; j += 8) {
    const __m256 mask = _mm256_castsi256_ps(seen(row, j));
    __m256 p = _mm256_and_ps(mask, exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(row.scores + j), offset)));
    sum = _mm256_add_ps(sum, p);
    // What is not seen may have any scale.
    if (row.v_scales) p = _mm256_and_ps(mask, _mm256_mul_ps(p, _mm256_loadu_ps(row.v_scales + j)));
    _mm256_storeu_ps(row.scores + j, p);
  }
  const float correction = _mm256_cvtss_f32(exp_avx2(_mm256_sub_ps(_mm256_set1_ps(*row.max), offset)));
  *row.correction = correction;
  *row.sum = *row.sum * correction + sum_of(sum);
  *row.max = max;
}

}  // namespace

const AttentionKernel kAttentionAvx2 = {to_f32, nullptr, round, product, nullptr, softmax};

}  // namespace octet::kernels
