#include "base/error.h"
#include "quant/quantize.h"
#include "quant/scale.h"
#include "train/recipe/recipe.h"

namespace octet::train {
namespace {

constexpr std::string_view kAware = "qat:";

}  // namespace

Precision precision_named(std::string_view name) {
  if (!name.starts_with(kAware)) return {recipe_named(name).linear};
  const Scheme& scheme = scheme_named(name.substr(kAware.size()));
  if (!scheme.weights) throw UsageError(fmt::format("{}: this scheme quantizes nothing", name));
  if (scheme.non_linear()) {
    throw UsageError(
        fmt::format("{}: {} rounds to codes that are no even steps, which is not trained", name, scheme.name));
  }
  return {recipe_named("bf16").linear, &scheme};
}

void make_aware(TrainedWeight& weight, const Scheme& scheme, std::string module, Threads& threads) {
  const Quantization weights = *scheme.weights;
  const std::optional<Quantization> activations = scheme.activations;
  weight.static_input = scheme.needs_calibration();
  weight.quantize = [=, &threads](const Tensor& value, std::span<const float, 2> range) {
    QTensor q = quantize(value, weights, {}, threads, module);
    q.activations = activations;
    if (!activations || activations->dynamic) return q;
    const StaticScale scale = static_scale(range[0], range[1], *activations, DType::BF16);
    q.input_scale = scale.scale;
    q.input_zero_point = scale.zero_point;
    return q;
  };
}

}  // namespace octet::train
