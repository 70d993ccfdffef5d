#pragma once
#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// What the way back of a quantization-aware product needs: the weight as it was quantized, how the input was, and the
/// inputs that were not clipped.
struct AwareProduct {
  QTensor weight;
  kernels::InputFormat input;
  float low = 0, high = 0;  // equal: nothing is clipped
};

/// The weight as it is served now: a checkpoint of these codes and scales computes what training computed.
QTensor served_weight(const TrainedWeight& w);
/// Its numbers, F32 [N,K].
Tensor served_values(const QTensor& q, Threads& threads);

/// y [M,N] = x [M,K] · wᵀ + bias, as the weight will be served. Watches the range of x for schemes that fix it.
/// `prepared`: the format that ctx.prepared holds x in already, brought up to date.
AwareProduct aware_product(Context& ctx, const Tensor& x, const Weight& weight,
                           std::optional<kernels::InputFormat>& prepared, Tensor& y);

/// x [M,K] as the product multiplies it: F32, dequantized.
Tensor served_input(Context& ctx, const Tensor& x, const kernels::InputFormat& format);

/// From the gradient of the served input `dx` [M,K] to that of x, in place: 0 where x was clipped (Bengio et al. 2013,
/// arXiv:1308.3432, as saturating quantizers have it); adds the gradients of what is learned of it. `served`:
/// served_input(x), looked at where a step size is learned.
void input_gradient(Context& ctx, const Aware& aware, const AwareProduct& product, const Tensor& x,
                    const Tensor& served, Tensor& dx);

/// The same from the gradient of the dequantized weight `dw` [N,K] to that of the master weight `value`; `served`: the
/// dequantized weight.
void weight_gradient(Context& ctx, const Aware& aware, const AwareProduct& product, const Tensor& value,
                     const Tensor& served, Tensor& dw);

/// Numbers of the input and of the weight that their formats did not hold. Where a scale follows from the numbers
/// themselves nothing overflows.
kernels::Misfits input_misfits(Context& ctx, const AwareProduct& product, const Tensor& x);
kernels::Misfits weight_misfits(Context& ctx, const Aware& aware, const AwareProduct& product, const Tensor& value);

}  // namespace octet
