#pragma once
#include <span>
#include <string>
#include <string_view>

#include "ops/linear_recipe.h"

namespace octet::train {

/// A precision recipe: how the linear layers of the blocks multiply while they are trained. A new one is a row of
/// list.cpp.
struct Recipe {
  std::string_view name, help;
  LinearRecipe linear;
};

std::span<const Recipe> recipes();

/// Throws UsageError listing the names.
const Recipe& recipe_named(std::string_view name);

}  // namespace octet::train
