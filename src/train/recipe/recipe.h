#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/trainable.h"
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
/// products forward are those the compressed model is served with, gradients pass straight through the rounding and
/// multiply in BF16. qat:SCHEME+lsq learns step sizes, qat:SCHEME+pact where inputs are clipped.
struct Precision {
  LinearRecipe recipe;
  const Scheme* scheme = nullptr;  // of quantization-aware training
  AwareMethod method = AwareMethod::straight_through;
};
/// Throws UsageError listing the names, and for methods that learn nothing of a scheme.
Precision precision_named(std::string_view name);

/// Makes `weight` quantization-aware, for a model that is saved as `dtype`. Gives what is learned beside the weights.
/// `begin`: how the weight was compressed before, in the same scheme: its scales stay, or what is learned begins there.
std::vector<Parameter> make_aware(TrainedWeight& weight, const Precision& precision, DType dtype,
                                  const std::string& module, Tape& tape, Threads& threads,
                                  const QTensor* begin = nullptr);

/// Throws UsageError listing the names.
const Recipe& recipe_named(std::string_view name);

}  // namespace octet::train
