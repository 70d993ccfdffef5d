#include <immintrin.h>

#include "kernels/elementwise/elementwise_kernel.h"
#include "kernels/elementwise/exp_avx512.h"

namespace octet::kernels {
namespace {

// The lanes of the n elements left.
[[gnu::always_inline]] inline __mmask16 lanes(int64_t left) {
  return left >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << left) - 1);
}

[[gnu::always_inline]] inline __m512 load(const float* x, int64_t i, int64_t n) {
  return _mm512_maskz_loadu_ps(lanes(n - i), x + i);
}

[[gnu::always_inline]] inline void store(float* x, int64_t i, int64_t n, __m512 value) {
  _mm512_mask_storeu_ps(x + i, lanes(n - i), value);
}

float sum_of_squares(const float* x, int64_t n) {
  __m512 sums[4] = {};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int j = 0; j < 4; ++j) {
      const __m512 value = _mm512_loadu_ps(x + i + 16 * j);
      sums[j] = _mm512_fmadd_ps(value, value, sums[j]);
    }
  }
  for (; i < n; i += 16) {
    const __m512 value = load(x, i, n);
    sums[0] = _mm512_fmadd_ps(value, value, sums[0]);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

void scale_by(const float* x, float factor, const float* weight, float* y, int64_t n) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 16) {
    store(y, i, n, _mm512_mul_ps(_mm512_mul_ps(load(x, i, n), factors), load(weight, i, n)));
  }
}

void rotate(float* x, int64_t half, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < half; i += 16) {
    const __m512 a = load(x, i, half), b = load(x + half, i, half);
    const __m512 cosine = load(cosines, i, half), sine = load(sines, i, half);
    store(x, i, half, _mm512_fmsub_ps(a, cosine, _mm512_mul_ps(b, sine)));
    store(x + half, i, half, _mm512_fmadd_ps(b, cosine, _mm512_mul_ps(a, sine)));
  }
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n) {
  const __m512 one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
  for (int64_t i = 0; i < n; i += 16) {
    const __m512 x = load(gate, i, n);
    const __m512 silu = _mm512_div_ps(x, _mm512_add_ps(one, exp_avx512(_mm512_sub_ps(zero, x))));
    store(out, i, n, _mm512_mul_ps(silu, load(up, i, n)));
  }
}

void add(const float* x, const float* y, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) store(out, i, n, _mm512_add_ps(load(x, i, n), load(y, i, n)));
}

// The second operand is kept where the first is NaN.
float max(const float* x, int64_t n) {
  const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
  __m512 largest[4] = {lowest, lowest, lowest, lowest};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int j = 0; j < 4; ++j) largest[j] = _mm512_max_ps(_mm512_loadu_ps(x + i + 16 * j), largest[j]);
  }
  for (; i < n; i += 16) {
    largest[0] = _mm512_max_ps(_mm512_mask_loadu_ps(lowest, lanes(n - i), x + i), largest[0]);
  }
  return _mm512_reduce_max_ps(
      _mm512_max_ps(_mm512_max_ps(largest[0], largest[1]), _mm512_max_ps(largest[2], largest[3])));
}

double sum_of_exp(const float* x, int64_t n, float offset) {
  constexpr int64_t kSpan = 1024;
  const __m512 offsets = _mm512_set1_ps(offset);
  __m512d total = _mm512_setzero_pd();
  for (int64_t begin = 0; begin < n; begin += kSpan) {
    const int64_t end = n - begin < kSpan ? n : begin + kSpan;
    __m512 sums[2] = {};
    int64_t i = begin;
    for (; i + 32 <= end; i += 32) {
      for (int j = 0; j < 2; ++j) {
        sums[j] = _mm512_add_ps(sums[j], exp_avx512(_mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * j), offsets)));
      }
    }
    for (; i < end; i += 16) {
      const __mmask16 mask = lanes(end - i);
      const __m512 value = exp_avx512(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), offsets));
      sums[0] = _mm512_mask_add_ps(sums[0], mask, sums[0], value);
    }
    const __m512 sum = _mm512_add_ps(sums[0], sums[1]);
    total = _mm512_add_pd(total, _mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(sum)),
                                               _mm512_cvtps_pd(_mm512_extractf32x8_ps(sum, 1))));
  }
  return _mm512_reduce_add_pd(total);
}

void exp(const float* x, int64_t n, float offset, float factor, float* y) {
  const __m512 offsets = _mm512_set1_ps(offset), factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < n; i += 16) {
    store(y, i, n, _mm512_mul_ps(exp_avx512(_mm512_sub_ps(load(x, i, n), offsets)), factors));
  }
}

}  // namespace

const ElementwiseKernel kElementwiseAvx512 = {sum_of_squares, scale_by, rotate, silu_multiply, add, max,
                                              sum_of_exp,     exp};

}  // namespace octet::kernels
