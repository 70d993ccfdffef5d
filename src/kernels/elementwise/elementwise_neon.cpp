#include "kernels/elementwise/elementwise_kernel.h"
#include "kernels/elementwise/exp_neon.h"

namespace octet::kernels {
namespace {

// Four elements from x + i; behind the end of the row stands `rest`.
[[gnu::always_inline]] inline float32x4_t load(const float* x, int64_t i, int64_t n, float rest = 0) {
  if (n - i >= 4) return vld1q_f32(x + i);
  float last[4] = {rest, rest, rest, rest};
  for (int64_t j = i; j < n; ++j) last[j - i] = x[j];
  return vld1q_f32(last);
}

[[gnu::always_inline]] inline void store(float* x, int64_t i, int64_t n, float32x4_t value) {
  if (n - i >= 4) return vst1q_f32(x + i, value);
  float last[4];
  vst1q_f32(last, value);
  for (int64_t j = i; j < n; ++j) x[j] = last[j - i];
}

float sum_of_squares(const float* x, int64_t n) {
  float32x4_t sums[4] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 4; ++j) {
      const float32x4_t value = vld1q_f32(x + i + 4 * j);
      sums[j] = vfmaq_f32(sums[j], value, value);
    }
  }
  for (; i < n; i += 4) {
    const float32x4_t value = load(x, i, n);
    sums[0] = vfmaq_f32(sums[0], value, value);
  }
  return vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
}

void scale_by(const float* x, float factor, const float* weight, float* y, int64_t n) {
  for (int64_t i = 0; i < n; i += 4) {
    store(y, i, n, vmulq_f32(vmulq_n_f32(load(x, i, n), factor), load(weight, i, n)));
  }
}

void rotate(float* x, int64_t half, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < half; i += 4) {
    const float32x4_t a = load(x, i, half), b = load(x + half, i, half);
    const float32x4_t cosine = load(cosines, i, half), sine = load(sines, i, half);
    store(x, i, half, vfmaq_f32(vnegq_f32(vmulq_f32(b, sine)), a, cosine));
    store(x + half, i, half, vfmaq_f32(vmulq_f32(a, sine), b, cosine));
  }
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += 4) {
    const float32x4_t x = load(gate, i, n);
    const float32x4_t silu = vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp_neon(vnegq_f32(x))));
    store(out, i, n, vmulq_f32(silu, load(up, i, n)));
  }
}

void add(const float* x, const float* y, float* out, int64_t n) {
  for (int64_t i = 0; i < n; i += 4) store(out, i, n, vaddq_f32(load(x, i, n), load(y, i, n)));
}

// A comparison with NaN is false, which passes it over.
float max(const float* x, int64_t n) {
  float32x4_t largest[4];
  for (auto& lanes : largest) lanes = vdupq_n_f32(-__builtin_inff());
  const auto see = [&](int j, float32x4_t value) {
    largest[j] = vbslq_f32(vcgtq_f32(value, largest[j]), value, largest[j]);
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 4; ++j) see(j, vld1q_f32(x + i + 4 * j));
  }
  for (; i < n; i += 4) see(0, load(x, i, n, -__builtin_inff()));
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(largest[0], largest[1]), vmaxq_f32(largest[2], largest[3])));
}

double sum_of_exp(const float* x, int64_t n, float offset) {
  constexpr int64_t kSpan = 1024;
  const float32x4_t offsets = vdupq_n_f32(offset);
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kSpan) {
    const int64_t end = n - begin < kSpan ? n : begin + kSpan;
    float32x4_t sums[2] = {};
    int64_t i = begin;
    for (; i + 8 <= end; i += 8) {
      for (int j = 0; j < 2; ++j) {
        sums[j] = vaddq_f32(sums[j], exp_neon(vsubq_f32(vld1q_f32(x + i + 4 * j), offsets)));
      }
    }
    // exp(-infinity) is 0.
    for (; i < end; i += 4) {
      sums[0] = vaddq_f32(sums[0], exp_neon(vsubq_f32(load(x, i, end, -__builtin_inff()), offsets)));
    }
    total += double{vaddvq_f32(vaddq_f32(sums[0], sums[1]))};
  }
  return total;
}

void exp(const float* x, int64_t n, float offset, float factor, float* y) {
  const float32x4_t offsets = vdupq_n_f32(offset);
  for (int64_t i = 0; i < n; i += 4) {
    store(y, i, n, vmulq_n_f32(exp_neon(vsubq_f32(load(x, i, n), offsets)), factor));
  }
}

}  // namespace

const ElementwiseKernel kElementwiseNeon = {sum_of_squares, scale_by, rotate, silu_multiply, add, max, sum_of_exp, exp};

}  // namespace octet::kernels
