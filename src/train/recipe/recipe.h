#pragma once
#include <span>
#include <string>
#include <string_view>

#include "ops/weight.h"
#include "tensor/scheme.h"

namespace octet::train {

/// A precision recipe: how the linear layers of the blocks multiply while they are trained. A new one is a row of
/// list.cpp.
struct Recipe {
  std::string_view name, help;
  LinearRecipe linear;
};

std::span<const Recipe> recipes();

/// What the field `precision` says: a recipe, or qat:SCHEME, quantization-aware for that scheme of octet compress:
/// products forward are those the compressed model is served with, gradients pass straight through the rounding (Jacob
/// et al. 2018, arXiv:1712.05877) and multiply in BF16.
struct Precision {
  LinearRecipe recipe;
  const Scheme* scheme = nullptr;  // of quantization-aware training
};
/// Throws UsageError listing the names.
Precision precision_named(std::string_view name);

/// Makes `weight` quantization-aware for a scheme.
void make_aware(TrainedWeight& weight, const Scheme& scheme, std::string module, Threads& threads);

/// Throws UsageError listing the names.
const Recipe& recipe_named(std::string_view name);

}  // namespace octet::train
