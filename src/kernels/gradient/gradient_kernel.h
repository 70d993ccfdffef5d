#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstdint>

namespace octet::kernels {

/// What an instruction set provides of this family: rows of n F32 numbers, any alignment. Results may be operands.
struct GradientKernel {
  /// y = rmsnorm(x) · weight backwards, inverse = 1 / rms(x): dx = inverse · weight · dy - x · inverse³ / n · Σ x ·
  /// weight · dy.
  void (*rms_norm)(const float* x, const float* weight, const float* dy, float inverse, int64_t n, float* dx);
  /// sum += x · y · factor
  void (*add_product)(const float* x, const float* y, float factor, int64_t n, float* sum);
  /// sum += x
  void (*add)(const float* x, int64_t n, float* sum);
  /// Σ x · y
  float (*dot)(const float* x, const float* y, int64_t n);
  /// h = silu(gate) · up backwards.
  void (*silu_multiply)(const float* gate, const float* up, const float* dh, int64_t n, float* dgate, float* dup);
  /// Probabilities p = exp(s · factor - offset), and y = x · factor.
  void (*exp)(const float* s, float factor, float offset, int64_t n, float* p);
  void (*scale)(const float* x, float factor, int64_t n, float* y);
  /// ds = p · (dp - shift) · factor: softmax backwards.
  void (*softmax)(const float* p, const float* dp, float shift, float factor, int64_t n, float* ds);
  /// Rope backwards: (a, b) → (a · cos + b · sin, b · cos - a · sin), halves of one head in place.
  void (*rotate_back)(float* x, int64_t half, const float* cosines, const float* sines);
};

extern const GradientKernel kGradientReference, kGradientAvx2, kGradientAvx512, kGradientNeon;

}  // namespace octet::kernels
