#include <cmath>

#include "kernels/gradient/gradient_kernel.h"

namespace octet::kernels {
namespace {

float dot(const float* x, const float* y, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * y[i];
  return static_cast<float>(sum);
}

void rms_norm(const float* x, const float* weight, const float* dy, float inverse, int64_t n, float* dx) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * weight[i] * dy[i];
  const double shrink = sum * std::pow(double{inverse}, 3) / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) dx[i] = static_cast<float>(double{inverse} * weight[i] * dy[i] - x[i] * shrink);
}

void add_product(const float* x, const float* y, float factor, int64_t n, float* sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += x[i] * y[i] * factor;
}

void add(const float* x, int64_t n, float* sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += x[i];
}

void silu_multiply(const float* gate, const float* up, const float* dh, int64_t n, float* dgate, float* dup) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = gate[i], u = up[i], d = dh[i], sigmoid = 1 / (1 + std::exp(-g));
    dgate[i] = d * u * (sigmoid * (1 + g * (1 - sigmoid)));
    dup[i] = d * (g * sigmoid);
  }
}

void exp(const float* s, float factor, float offset, int64_t n, float* p) {
  for (int64_t i = 0; i < n; ++i) p[i] = std::exp(s[i] * factor - offset);
}

void scale(const float* x, float factor, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor;
}

void softmax(const float* p, const float* dp, float shift, float factor, int64_t n, float* ds) {
  for (int64_t i = 0; i < n; ++i) ds[i] = p[i] * (dp[i] - shift) * factor;
}

void rotate_back(float* x, int64_t half, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cosines[i] + b * sines[i];
    x[i + half] = b * cosines[i] - a * sines[i];
  }
}

}  // namespace

const GradientKernel kGradientReference = {rms_norm, add_product, add,     dot,        silu_multiply,
                                           exp,      scale,       softmax, rotate_back};

}  // namespace octet::kernels
