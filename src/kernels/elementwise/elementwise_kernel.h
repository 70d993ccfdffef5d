#pragma once
#include <cstdint>

// Plain declarations only: files compiled for one instruction set include this.
namespace octet::kernels {

/// What an instruction set provides of this family; elementwise.h says what each computes. Any n >= 0, any alignment.
/// An element's value does not depend on where in the row it lies, a sum's order only on n.
struct ElementwiseKernel {
  float (*sum_of_squares)(const float* x, int64_t n);
  void (*scale_by)(const float* x, float factor, const float* weight, float* y,
                   int64_t n);                                                       // y = (x · factor) · weight
  void (*rotate)(float* x, int64_t half, const float* cosines, const float* sines);  // one head
  void (*silu_multiply)(const float* gate, const float* up, float* out, int64_t n);
  void (*add)(const float* x, const float* y, float* out, int64_t n);
  float (*max)(const float* x, int64_t n);  // -infinity for n = 0; NaNs are passed over
  double (*sum_of_exp)(const float* x, int64_t n, float offset);
  void (*exp)(const float* x, int64_t n, float offset, float factor, float* y);  // y = exp(x - offset) · factor
};

extern const ElementwiseKernel kElementwiseReference, kElementwiseAvx2, kElementwiseAvx512, kElementwiseNeon;

}  // namespace octet::kernels
