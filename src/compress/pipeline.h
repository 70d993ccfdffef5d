#pragma once
#include <string>
#include <string_view>

#include "quant/observer/observer.h"
#include "quant/rounding/gptq.h"
#include "quant/transform/smoothing.h"
#include "tensor/scheme.h"

namespace octet {

enum class RoundingAlgorithm : uint8_t { nearest, gptq, learned };

/// Which inputs of every layer are smoothed, and so where the factors go: into the norm before attention, from v to o,
/// into the norm before the MLP, from up to down.
struct SmoothingPlaces {
  bool attention = true, values = true, mlp = true, up = true;
  bool operator==(const SmoothingPlaces&) const = default;
};

/// What is done to the matrices of a model, in this order: transforms change weights and keep the function, a range
/// gives scales, a rounding gives codes, a correction goes into the bias. Any of one kind goes with any of the next.
struct Pipeline {
  bool rotation = false;                 // of the residual stream (R1) and of heads (R2)
  const Smoothing* smoothing = nullptr;  // nullptr: none
  double smoothing_strength = -1;        // < 0: searched for each layer
  SmoothingPlaces smooth;
  const RangeObserver* weights = &range_observers()[0];
  const RangeObserver* inputs = &range_observers()[0];  // of static activations
  RoundingAlgorithm rounding = RoundingAlgorithm::nearest;
  GptqOptions gptq;
  bool bias_correction = false;

  /// Whether the float model's activations are carried along beside those of the compressed layers.
  bool follows_floats() const { return rounding == RoundingAlgorithm::gptq; }
  bool searches_smoothing() const { return smoothing && smoothing_strength < 0; }
  /// Whether sums of the inputs' products steer ranges or rounding.
  bool needs_hessians() const { return rounding != RoundingAlgorithm::nearest || weights->name == "importance_mse"; }
  /// Nothing but rounding to the nearest with ranges that clip nothing: needs no text.
  bool plain() const;
};

/// "rtn", "default" (the best that is known for the scheme), or names of the list joined by "+":
/// rotation+smoothquant+gptq. Throws UsageError listing the names.
Pipeline pipeline_named(std::string_view name, const Scheme& scheme);

struct AlgorithmRow {
  std::string_view name, help;
};
std::span<const AlgorithmRow> algorithms();

}  // namespace octet
