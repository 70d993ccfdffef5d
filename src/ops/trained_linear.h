#pragma once
#include <span>
#include <vector>

#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// linears() of weights that are trained: x · wᵀ + bias, and the two products of the way back, each in the format that
/// the weight's recipe gives its operands.
std::vector<Tensor> trained_linears(Context& ctx, const Tensor& x, std::span<const Weight* const> weights);

}  // namespace octet
