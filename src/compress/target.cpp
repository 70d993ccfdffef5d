#include "compress/target.h"

#include "base/error.h"

namespace octet {
namespace {

constexpr Target kTargets[] = {
    {"this-cpu", "Octet on this machine: INT8 is multiplied as it is, everything else is widened first", "W8A8"},
    {"vllm-hopper", "vLLM on Hopper GPUs: FP8 and INT8 are multiplied as they are", "FP8_DYNAMIC"},
    {"vllm-ampere", "vLLM on Ampere GPUs: INT8 is multiplied as it is, FP8 weights are widened", "W8A8"},
    {"vllm-cpu", "vLLM on x86 CPUs: INT8 with INT8 inputs", "W8A8"},
};

bool is_int8(const Scheme& scheme) {
  return scheme.weights && scheme.weights->format == Format::INT8;
}

}  // namespace

std::span<const Target> targets() {
  return kTargets;
}

const Target& target_named(std::string_view name) {
  std::string names;
  for (const Target& target : kTargets) {
    if (target.name == name) return target;
    names += (names.empty() ? "" : ", ") + std::string(target.name);
  }
  throw UsageError(fmt::format("there is no target {}; there are {}", name, names));
}

TargetVerdict verdict_of(const Target& target, const Scheme& scheme) {
  if (!scheme.weights || target.name == "this-cpu") return {};
  if (scheme.octet_only) return {fmt::format("{} is Octet's own: no other program reads it", scheme.name), ""};
  const bool mx = scheme.weights->scale_format == Format::E8M0;
  if (target.name == "vllm-cpu") {
    if (is_int8(scheme) && scheme.activations) return {};
    return {fmt::format("vLLM on CPUs has kernels for INT8 weights with INT8 inputs, and {} is something else",
                        scheme.name),
            ""};
  }
  if (mx) return {fmt::format("{} needs a GPU that scales in groups of 32 itself (Blackwell)", scheme.name), ""};
  if (target.name == "vllm-ampere" && !is_int8(scheme) && scheme.activations) {
    return {"", fmt::format("Ampere has no FP8 arithmetic: {} is run there with float inputs", scheme.name)};
  }
  return {};
}

}  // namespace octet
