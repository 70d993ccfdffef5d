#include <immintrin.h>

#include "kernels/elementwise/elementwise_kernel.h"
#include "kernels/elementwise/exp_avx2.h"

namespace octet::kernels {
namespace {

// Ones in the lanes of the n elements left.
[[gnu::always_inline]] inline __m256i lanes(int64_t left) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(left >= 8 ? 8 : static_cast<int>(left)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

[[gnu::always_inline]] inline __m256 load(const float* x, int64_t i, int64_t n) {
  return n - i >= 8 ? _mm256_loadu_ps(x + i) : _mm256_maskload_ps(x + i, lanes(n - i));
}

[[gnu::always_inline]] inline void store(float* x, int64_t i, int64_t n, __m256 value) {
  n - i >= 8 ? _mm256_storeu_ps(x + i, value) : _mm256_maskstore_ps(x + i, lanes(n - i), value);
}

[[gnu::always_inline]] inline float sum_of(__m256 x) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

float sum_of_squares(const float* x, int64_t n) {
  __m256 sums[4] = {};
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int j = 0; j < 4; ++j) {
      const __m256 value = _mm256_loadu_ps(x + i + 8 * j);
      sums[j] = _mm256_fmadd_ps(value, value, sums[j]);
    }
  }
  for (; i < n; i += 8) {
    const __m256 value = load(x, i, n);
    sums[0] = _mm256_fmadd_ps(value, value, sums[0]);
  }
  return sum_of(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
}

void scale_by(const float* x, float factor, const float* weight, float* y, int64_t n) {
  const __m256 factors = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 8) {
    store(y, i, n, _mm256_mul_ps(_mm256_mul_ps(load(x, i, n), factors), load(weight, i, n)));
  }
}

void rotate(float* x, int64_t half, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < half; i += 8) {
    const __m256 a = load(x, i, half), b = load(x + half, i, half);
    const __m256 cosine = load(cosines, i, half), sine = load(sines, i, half);
    store(x, i, half, _mm256_fmsub_ps(a, cosine, _mm256_mul_ps(b, sine)));
    store(x + half, i, half, _mm256_fmadd_ps(b, cosine, _mm256_mul_ps(a, sine)));
  }
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n) {
  const __m256 one = _mm256_set1_ps(1.0f), zero = _mm256_setzero_ps();
  for (int64_t i = 0; i < n; i += 8) {
    const __m256 x = load(gate, i, n);
    const __m256 silu = _mm256_div_ps(x, _mm256_add_ps(one, exp_avx2(_mm256_sub_ps(zero, x))));
    store(out, i, n, _mm256_mul_ps(silu, load(up, i, n)));
  }
}

void add(const float* x, const float* y, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += 8) store(out, i, n, _mm256_add_ps(load(x, i, n), load(y, i, n)));
}

// The second operand is kept where the first is NaN.
float max(const float* x, int64_t n) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 largest[4] = {lowest, lowest, lowest, lowest};
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int j = 0; j < 4; ++j) largest[j] = _mm256_max_ps(_mm256_loadu_ps(x + i + 8 * j), largest[j]);
  }
  for (; i < n; i += 8) {
    const __m256 value = _mm256_blendv_ps(lowest, load(x, i, n), _mm256_castsi256_ps(lanes(n - i)));
    largest[0] = _mm256_max_ps(value, largest[0]);
  }
  const __m256 all = _mm256_max_ps(_mm256_max_ps(largest[0], largest[1]), _mm256_max_ps(largest[2], largest[3]));
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

double sum_of_exp(const float* x, int64_t n, float offset) {
  constexpr int64_t kSpan = 1024;
  const __m256 offsets = _mm256_set1_ps(offset);
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kSpan) {
    const int64_t end = n - begin < kSpan ? n : begin + kSpan;
    __m256 sums[2] = {};
    int64_t i = begin;
    for (; i + 16 <= end; i += 16) {
      for (int j = 0; j < 2; ++j) {
        sums[j] = _mm256_add_ps(sums[j], exp_avx2(_mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * j), offsets)));
      }
    }
    for (; i < end; i += 8) {
      const __m256 value = exp_avx2(_mm256_sub_ps(load(x, i, end), offsets));
      sums[0] = _mm256_add_ps(sums[0], _mm256_and_ps(value, _mm256_castsi256_ps(lanes(end - i))));
    }
    total += double{sum_of(_mm256_add_ps(sums[0], sums[1]))};
  }
  return total;
}

void exp(const float* x, int64_t n, float offset, float factor, float* y) {
  const __m256 offsets = _mm256_set1_ps(offset), factors = _mm256_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 8) {
    store(y, i, n, _mm256_mul_ps(exp_avx2(_mm256_sub_ps(load(x, i, n), offsets)), factors));
  }
}

}  // namespace

const ElementwiseKernel kElementwiseAvx2 = {sum_of_squares, scale_by, rotate, silu_multiply, add, max, sum_of_exp, exp};

}  // namespace octet::kernels
