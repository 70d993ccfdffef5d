#pragma once
#include <map>
#include <string>
#include <vector>

#include "compress/plan.h"

namespace octet {

inline constexpr std::string_view kHead = "lm_head";
inline constexpr std::string_view kEmbedding = "model.embed_tokens.weight";

/// The module that stands for all that are fused with this one in other programs: q_proj for k_proj, gate_proj for
/// up_proj, itself for the rest.
std::string fused_name(const std::string& module);

/// "mlp.up_proj" of "model.layers.3.mlp.up_proj"; a module that stands in no layer has its own name.
std::string name_in_layer(const std::string& module);

/// The config groups that the options ask for; none for UNQUANTIZED.
QuantizationConfig wanted_groups(const CompressOptions& options);

/// The preset that a config group is, or nullptr.
const Scheme* preset_of(const ConfigGroup& group);
/// "W8A8 and FP8_DYNAMIC": what the groups are, each once.
std::string schemes_text(const QuantizationConfig& config);

/// Fills plan.modules: the linear modules that are quantized before or will be after, in the model's order, their
/// shapes checked against config.json.
void plan_modules(const Checkpoint& checkpoint, const CompressOptions& options, Plan& plan);

/// Fills plan.output: the scheme's config group, and for W8A16 one of per-channel scales for widths that 128 does not
/// divide; points every module to its group and warns about what other programs refuse.
void assign_groups(const CompressOptions& options, Plan& plan);

}  // namespace octet
