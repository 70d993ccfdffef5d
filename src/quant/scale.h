#pragma once
#include "quant/options.h"

namespace octet {

/// Numbers that share a scale: `rows` x `columns` of a matrix (all of them where it says more than there are).
struct Extent {
  int64_t rows, columns;
};
Extent extent_of(const Quantization& q, int64_t n, int64_t k);

/// The scale of numbers of dtype `weight` whose largest magnitude is amax, rounded to that dtype, widened. INT8:
/// amax / 127.5 (narrow range: / 127); E4M3: amax / 448; E5M2: amax / 57344; a zero becomes that dtype's epsilon
/// (compressed-tensors 0.18, calculate_qparams). Power-of-two scales: compressed-tensors' rule, torchao's is floor.
float scale_of(float amax, const Quantization& q, DType weight, const QuantizeOptions& options);

/// Of a static activation: x = (q - zero_point) * scale.
struct StaticScale {
  float scale = 1;
  int zero_point = 0;
};
/// Of inputs that lie in [min, max], the scale rounded to `dtype`. Asymmetric: (max - min) / 255 with
/// zero in the range, zero point round(-128 - min / scale).
StaticScale static_scale(float min, float max, const Quantization& q, DType dtype);

}  // namespace octet
