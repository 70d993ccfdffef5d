#pragma once
#include <span>

#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// A long short-term memory (Hochreiter, Schmidhuber 1997) as PyTorch has it: gates i, f, g, o in this order.
struct Lstm {
  Weight input;   // [4H,D] with bias
  Tensor hidden;  // F32 [4H,H]
  Tensor bias;    // F32 [4H] of the hidden side
};

/// x [B·T,D], sequences one after another → the hidden states [B·T,H], from 0 on. The products with the input are one
/// linear() of its weight's recipe; those with the hidden state are in F32.
Tensor lstm(Context& ctx, const Tensor& x, int64_t batch, const Lstm& weights);

/// Rows of x [B·T,D] at the last position of each sequence, lengths in 1 … T: [B,D].
Tensor last_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths);

/// Their mean over the first `lengths` positions: [B,D].
Tensor mean_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths);

}  // namespace octet
