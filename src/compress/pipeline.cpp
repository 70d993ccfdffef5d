#include "compress/pipeline.h"

#include "base/error.h"
#include "base/escape.h"

namespace octet {
namespace {

constexpr AlgorithmRow kAlgorithms[] = {
    {"default", "the best known for the scheme; what a calibration text without --algorithm means"},
    {"rtn", "round to nearest, nothing is clipped; what no calibration text means"},
    {"mse", "scales with the least squared error"},
    {"smoothquant", "moves outliers of inputs into weights, the strength searched per layer"},
    {"awq", "gives columns that meet large inputs finer steps, the strength searched per layer"},
    {"rotation", "spreads outliers by Hadamard matrices that are folded into the weights"},
    {"gptq", "rounds column by column and lets the rest make up for the error"},
    {"adaround", "learns for every number whether it is rounded up or down"},
    {"bias", "corrects biases, where a layer has one, by the mean error of its output"},
};

// What would need a rotation at run time, from up to down, is smoothed.
void add_rotation(Pipeline& p) {
  p.rotation = true;
  if (p.smoothing) return;
  p.smoothing = &smoothing_named("smoothquant");
  p.smooth.attention = p.smooth.mlp = false;
}

// Of two names that say the same thing differently one would be dropped.
void refuse_both(bool given, std::string_view what, std::string_view name) {
  if (!given) return;
  throw UsageError(fmt::format("algorithm: two names say {}, {} the second of them; give one", what, name));
}

void add(Pipeline& p, std::string_view name) {
  if (name == "mse")
    p.weights = &observer_named("importance_mse");
  else if (name == "smoothquant" || name == "awq") {
    refuse_both(p.smoothing && p.smooth == SmoothingPlaces(), "how inputs are smoothed", name);
    p.smoothing = &smoothing_named(name), p.smooth = {};
  } else if (name == "rotation")
    add_rotation(p);
  else if (name == "bias")
    p.bias_correction = true;
  else if (name == "gptq" || name == "adaround") {
    refuse_both(p.rounding != RoundingAlgorithm::nearest, "how numbers are rounded", name);
    p.rounding = name == "gptq" ? RoundingAlgorithm::gptq : RoundingAlgorithm::learned;
    p.weights = &observer_named("importance_mse");
  } else {
    std::string names;
    for (const AlgorithmRow& row : kAlgorithms) names += (names.empty() ? "" : ", ") + std::string(row.name);
    throw UsageError(
        fmt::format("there is no algorithm \"{}\"; there are {}, and several joined by +", printable(name, 60), names));
  }
}

}  // namespace

bool Pipeline::plain() const {
  return !rotation && !smoothing && weights == &range_observers()[0] && inputs == &range_observers()[0] &&
         rounding == RoundingAlgorithm::nearest && !bias_correction;
}

Pipeline pipeline_named(std::string_view name, const Scheme& scheme) {
  Pipeline pipeline;
  if (name == "default") {
    if (!scheme.weights) return pipeline;
    return pipeline_named(scheme.activations ? "smoothquant+gptq" : "gptq", scheme);
  }
  if (name == "rtn") return pipeline;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('+', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part == "default" || part == "rtn")
      throw UsageError(fmt::format("algorithm {}: {} stands alone, nothing joins it by +", name, part));
    add(pipeline, part);
    begin = end + 1;
  }
  return pipeline;
}

std::span<const AlgorithmRow> algorithms() {
  return kAlgorithms;
}

}  // namespace octet
