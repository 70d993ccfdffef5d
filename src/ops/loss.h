#pragma once
#include <span>

#include "ops/context.h"

namespace octet {

/// Targets that do not count.
inline constexpr int32_t kIgnored = -100;

// Losses are means, of one element [1]. What they are given besides logits has no gradient.

/// Mean of -log softmax(logits [M,V])[target] over the targets [M] that are not kIgnored. Throws Error for a target
/// outside 0 … V-1.
Tensor cross_entropy(Context& ctx, const Tensor& logits, std::span<const int32_t> targets);

/// Mean of max(x, 0) - x·y + log(1 + exp(-|x|)) over logits x and targets y in [0, 1]: PyTorch's
/// binary_cross_entropy_with_logits.
Tensor binary_cross_entropy(Context& ctx, const Tensor& logits, std::span<const float> targets);

/// Mean of (x - y)².
Tensor mean_squared_error(Context& ctx, const Tensor& x, std::span<const float> targets);

/// Mean over rows of KL(teacher || student) · temperature², of softmax(logits [M,V] / temperature) (Hinton et al. 2015,
/// arXiv:1503.02531). The teacher has no gradient.
Tensor kl_divergence(Context& ctx, const Tensor& student, const Tensor& teacher, float temperature = 1);

/// a · x + b · y of two losses.
Tensor mix(Context& ctx, const Tensor& x, float a, const Tensor& y, float b);

}  // namespace octet
