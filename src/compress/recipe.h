#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "compress/pipeline.h"
#include "files/quantization_config.h"

namespace octet {

/// What a recipe asks for: which layers become what, and how.
struct Recipe {
  QuantizationConfig schemes;  // groups and ignored names
  Pipeline pipeline;
  bool kv_cache_fp8 = false;
  std::vector<std::string> notices;  // fields that were passed over, with the reason
};

/// Reads a recipe in llm-compressor's YAML: modifiers at the top, or in stages ("X_stage" of "X_modifiers"). Those that
/// are known: QuantizationModifier, GPTQModifier, SmoothQuantModifier, AWQModifier, SpinQuantModifier (R1 and R2), and
/// Octet's AdaRoundModifier and BiasCorrectionModifier. Fields that only steer memory or a GPU are passed over with a
/// notice. Throws Error naming `where` and the field for modifiers that Octet lacks and for anything else unknown.
Recipe read_recipe(std::string_view yaml, const std::string& where);

/// Throws Error, with close names, for a target or an ignored name that is none of `modules` and no class. Returns a
/// sentence for each ignored pattern that matches none: recipes name parts that other models have.
std::vector<std::string> check_names(const QuantizationConfig& schemes, const std::vector<std::string>& modules,
                                     const std::string& where);

/// Those three of `names` that differ least from a name: "a, b, c".
std::string close_names(const std::string& name, std::vector<std::string> names);

}  // namespace octet
