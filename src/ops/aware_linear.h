#pragma once
#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// What the way back of a quantization-aware product needs: the weight as it was quantized, and the inputs that were
/// not clipped.
struct AwareProduct {
  QTensor weight;
  float low = 0, high = 0;  // equal: nothing is clipped
};

/// y [M,N] = x [M,K] · wᵀ + bias, as the weight will be served once it is quantized. Watches the range of x for schemes
/// that fix it.
AwareProduct aware_product(Context& ctx, const Tensor& x, const Weight& weight, Tensor& y);

/// dx is 0 where x was clipped (Bengio et al. 2013, arXiv:1308.3432, as saturating quantizers have it).
void clear_beyond(Context& ctx, const AwareProduct& product, const Tensor& x, Tensor& dx);

}  // namespace octet
