#pragma once
#include <string_view>

#include "ops/context.h"

namespace octet {

/// silu(gate) · up, of equal shapes: the middle of SwiGLU (Shazeer 2020, arXiv:2002.05202).
Tensor silu_multiply(Context& ctx, const Tensor& gate, const Tensor& up);

/// gelu by the error function, gelu_tanh by its approximation (Hendrycks, Gimpel 2016, arXiv:1606.08415).
enum class Activation : uint8_t { relu, gelu, gelu_tanh, silu, tanh, sigmoid };
/// Throws UsageError listing the names.
Activation activation_named(std::string_view name);

Tensor activate(Context& ctx, const Tensor& x, Activation activation);

}  // namespace octet
