#include "base/error.h"
#include "train/recipe/recipe.h"

namespace octet::train {
namespace {

using kernels::Element;
using kernels::ScaleRule;
using kernels::Sharing;

constexpr OperandRecipe plain(Element element) {
  return {element};
}
constexpr OperandRecipe current(Element element) {
  return {element, Sharing::tensor};
}
constexpr OperandRecipe delayed(Element element) {
  return {.element = element, .sharing = Sharing::tensor, .delayed = true};
}
constexpr OperandRecipe row(bool stochastic = false) {
  return {.element = Element::int8, .sharing = Sharing::line, .stochastic = stochastic};
}
constexpr OperandRecipe kLine128{Element::e4m3, Sharing::group, ScaleRule::power_of_two, 128};
constexpr OperandRecipe kSquare128{Element::e4m3, Sharing::block, ScaleRule::power_of_two, 128};
constexpr OperandRecipe kMx{Element::e4m3, Sharing::group, ScaleRule::mx, 32};

constexpr LinearRecipe all(std::string_view name, OperandRecipe r) {
  return {name, r, r, r, r, r, r};
}
/// `forward` for activations and weights, `backward` for gradients.
constexpr LinearRecipe hybrid(std::string_view name, OperandRecipe forward, OperandRecipe backward) {
  return {name, forward, forward, backward, forward, backward, forward};
}

constexpr Recipe kRecipes[] = {
    {"fp32", "everything in F32", all("fp32", plain(Element::f32))},
    {"bf16", "products of BF16, summed in F32", all("bf16", plain(Element::bf16))},
    {"fp8_delayed", "E4M3 forward and E5M2 gradients, one scale a tensor from the largest magnitudes of 1024 steps",
     hybrid("fp8_delayed", delayed(Element::e4m3), delayed(Element::e5m2))},
    {"fp8_current", "E4M3 forward and E5M2 gradients, one scale a tensor from its own largest magnitude",
     hybrid("fp8_current", current(Element::e4m3), current(Element::e5m2))},
    {"fp8_block",
     "E4M3, activations and gradients in groups of 128, weights in blocks of 128x128",
     {"fp8_block", kLine128, kSquare128, kLine128, kSquare128, kLine128, kLine128}},
    {"mxfp8", "E4M3 in groups of 32 with power-of-two scales", all("mxfp8", kMx)},
    {"int8",
     "INT8 with a scale a row, gradients rounded stochastically",
     {"int8", row(), row(), row(true), row(), row(true), row()}},
};

}  // namespace

std::span<const Recipe> recipes() {
  return kRecipes;
}

const Recipe& recipe_named(std::string_view name) {
  std::string names;
  for (const Recipe& recipe : kRecipes) {
    if (recipe.name == name) return recipe;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", recipe.name);
  }
  throw UsageError(fmt::format("there is no precision '{}'; the precisions are {}, and qat:SCHEME", name, names));
}

}  // namespace octet::train
