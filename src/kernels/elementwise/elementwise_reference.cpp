#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/elementwise/elementwise_kernel.h"

namespace octet::kernels {
namespace {

float sum_of_squares(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
  return static_cast<float>(sum);
}

void scale_by(const float* x, float factor, const float* weight, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor * weight[i];
}

void rotate(float* x, int64_t half, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + half] = b * cosines[i] + a * sines[i];
  }
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

void add(const float* x, const float* y, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] + y[i];
}

float max(const float* x, int64_t n) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

double sum_of_exp(const float* x, int64_t n, float offset) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - offset);
  return sum;
}

void exp(const float* x, int64_t n, float offset, float factor, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::exp(x[i] - offset) * factor;
}

}  // namespace

const ElementwiseKernel kElementwiseReference = {sum_of_squares, scale_by, rotate, silu_multiply, add, max,
                                                 sum_of_exp,     exp};

}  // namespace octet::kernels
