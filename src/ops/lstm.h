#pragma once
#include <span>

#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// A long short-term memory (Hochreiter, Schmidhuber 1997) as PyTorch has it: gates i, f, g, o in this order.
struct Lstm {
  Weight input;   // [4H,D] with bias
  Weight hidden;  // [4H,H] with bias
};

/// x [M,D], sequences of these lengths one after another → the hidden states [M,H], each sequence from 0 on. The
/// products with the input are one linear(), those with the hidden state one a position; both as the recipes of their
/// weights say, which are trained. Nothing is padded.
Tensor lstm(Context& ctx, const Tensor& x, std::span<const int64_t> lengths, const Lstm& weights);

/// Of x [M,D] the last row of each sequence: [B,D].
Tensor last_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths);

/// Of x [M,D] the mean of the rows of each sequence: [B,D].
Tensor mean_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths);

}  // namespace octet
