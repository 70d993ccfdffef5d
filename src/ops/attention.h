#pragma once
#include <memory>
#include <span>

#include "kernels/gradient/attention_gradient.h"
#include "ops/rope.h"

namespace octet {

using kernels::Sequence;
using kernels::WholeAttention;

/// Attention over whole sequences, with its way back: q [M,heads·head_dim], k and v [M,kv_heads·head_dim] after rope →
/// [M,heads·head_dim]. Rows of no sequence are 0. For training; models serve from caches (kernels/attention).
Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, const WholeAttention& shape,
                 std::span<const Sequence> sequences);

/// Rotates x [M,heads·head_dim], each sequence from the table's first position on, as RopeTable::rotate. The table has
/// to live as long as the tape holds what is recorded (Tape::keep).
void rotate(Context& ctx, Tensor& x, int64_t head_dim, const RopeTable& table, std::span<const Sequence> sequences);

}  // namespace octet
