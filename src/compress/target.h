#pragma once
#include <span>
#include <string>
#include <string_view>

#include "tensor/scheme.h"

namespace octet {

/// Where a compressed model is going to run. The rows follow vLLM's table of supported hardware.
struct Target {
  std::string_view name, help;
  std::string_view fastest;  // scheme
};
std::span<const Target> targets();
/// "this-cpu", "vllm-hopper", … Throws UsageError listing the names.
const Target& target_named(std::string_view name);
/// Why the target cannot load a scheme, or only slowly; empty: it can.
struct TargetVerdict {
  std::string refused, slow;
};
TargetVerdict verdict_of(const Target& target, const Scheme& scheme);

}  // namespace octet
