#pragma once
#include <span>
#include <vector>

#include "base/threads.h"
#include "tensor/tensor.h"

namespace octet {

/// Descends, from given factors, on what rounding to INT8 is expected to cost the products of x / s and w·s, both sides
/// with one scale a row: E max_j(x_j/s_j)² · Σ s_j²·|w_j|² for the input, and Σ_rows max_j(w_j·s_j)² · Σ E x_j²/s_j²
/// for the weights (the uniform noise of a step; largest magnitudes as 16-norms, so that they have a slope). `x` [S,K]
/// rows that the input took; `costs` [K]: what a column's rounding costs where others make up for it, per row of x, in
/// place of E x_j²; empty: none does; `share`: channels with one factor, or empty. Adam on the logarithms; a fixed
/// order of sums.
std::vector<float> refine_int8_factors(const Tensor& x, const std::vector<float>& costs,
                                       std::span<const Tensor> weights, const std::vector<int32_t>& share,
                                       std::vector<float> factors, Threads& threads);

}  // namespace octet
