#pragma once
#include "ops/context.h"

namespace octet {

/// The weight [K] of a root-mean-square norm (Zhang and Sennrich 2019, arXiv:1910.07467).
struct RmsNorm {
  Tensor weight;  // F32 [K]
  float epsilon = 1e-5f;
};

/// y [M,D] = rmsnorm(x).
Tensor rms_norm(Context& ctx, const Tensor& x, const RmsNorm& norm);

/// Weight and bias [K] of a layer norm (Ba et al. 2016, arXiv:1607.06450).
struct LayerNorm {
  Tensor weight, bias;  // F32 [K]
  float epsilon = 1e-5f;
};

/// y [M,D] = (x - mean) / sqrt(variance + epsilon) · weight + bias.
Tensor layer_norm(Context& ctx, const Tensor& x, const LayerNorm& norm);

}  // namespace octet
