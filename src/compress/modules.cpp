#include "compress/modules.h"

#include "compress/required_tensors.h"
#include "models/architectures.h"
#include "quant/scale.h"

namespace octet {
namespace {

struct Matrix {
  int64_t n, k;
};

// [N,K] of a decoder layer's linear module, by the last part of its name.
Matrix shape_of(const DecoderConfig& c, std::string_view module) {
  const std::string_view name = module.substr(module.rfind('.') + 1);
  const int64_t heads = c.heads * c.head_dim, kv_heads = c.kv_heads * c.head_dim;
  if (name == "q_proj") return {heads, c.hidden};
  if (name == "k_proj" || name == "v_proj") return {kv_heads, c.hidden};
  if (name == "o_proj") return {c.hidden, heads};
  if (name == "down_proj") return {c.hidden, c.intermediate};
  return {c.intermediate, c.hidden};
}

const ConfigGroup* group_before(const Plan& plan, const std::string& module) {
  const ConfigGroup* group = plan.input ? plan.input->group_of(module) : nullptr;
  return group && group->weights ? group : nullptr;
}

// Where the numbers [n,k] come from, checked as far as headers tell.
void fill_source(const Checkpoint& checkpoint, const CompressOptions& options, const Plan& plan, ModulePlan& module,
                 Matrix shape) {
  module.n = shape.n, module.k = shape.k;
  module.from = group_before(plan, module.name);
  if (module.from) {
    module.dtype = plan.model.dtype;
  } else {
    require_numbers(checkpoint, module.weight, {module.n, module.k});
    module.dtype = checkpoint.info(module.weight).dtype;
  }
  module.kept = options.scheme->weights ? module.dtype : DType::BF16;
}

// The head: a matrix of its own or, tied, the embedding's numbers under a name of their own from now on.
void plan_head(const Checkpoint& checkpoint, const CompressOptions& options, Plan& plan) {
  const std::string head(kHead);
  const bool quantized = group_before(plan, head) != nullptr;
  if (!quantized && !wanted_groups(options).group_of(head)) return;
  plan.unties_head = plan.model.tied && !quantized;
  ModulePlan module{.name = head, .weight = plan.unties_head ? std::string(kEmbedding) : head + ".weight"};
  fill_source(checkpoint, options, plan, module, {plan.model.vocabulary, plan.model.hidden});
  plan.modules.push_back(std::move(module));
}

// q, k and v, and gate and up, stand together in fused kernels, which know one scale for all of a tensor's numbers.
void plan_range_sets(Plan& plan) {
  std::map<std::string, int, std::less<>> set_of;
  for (size_t i = 0; i < plan.modules.size(); ++i) {
    ModulePlan& module = plan.modules[i];
    if (!module.to || module.to->weights->granularity != Granularity::tensor) continue;
    const auto [found, is_new] = set_of.emplace(fused_name(module.name), static_cast<int>(plan.range_sets.size()));
    if (is_new) plan.range_sets.emplace_back();
    module.range_set = found->second;
    plan.range_sets[static_cast<size_t>(found->second)].push_back(static_cast<int>(i));
  }
}

bool divides(const Quantization& q, const ModulePlan& module) {
  return (q.group == 0 || module.k % q.group == 0) && (q.block_rows == 0 || module.n % q.block_rows == 0);
}

// "mlp.down_proj (16 layers), lm_head"
std::string layer_list(const std::vector<const ModulePlan*>& modules) {
  std::map<std::string, int> counts;
  for (const ModulePlan* module : modules) ++counts[name_in_layer(module->name)];
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("{}{} ({} {})", text.empty() ? "" : ", ", name, count, count == 1 ? "layer" : "layers");
  }
  return text;
}

std::string ragged_warning(const ConfigGroup& of, const Scheme& scheme, const std::vector<const ModulePlan*>& ragged,
                           bool per_channel) {
  const std::string layers = layer_list(ragged);
  const int group = of.weights->group;
  if (per_channel) {
    return fmt::format(
        "{}: the width of {} is not a multiple of {}, and vLLM refuses shorter groups; they get one scale a channel, "
        "in a config group of their own",
        scheme.name, layers, group);
  }
  const std::string extent = of.weights->block_rows ? fmt::format("blocks of {}x{}", of.weights->block_rows, group)
                                                    : fmt::format("groups of {}", group);
  const char* who = scheme.octet_only ? "only Octet reads this scheme at all"
                    : of.activations  ? "vLLM refuses these layers, and Transformers cannot run them"
                                      : "vLLM and compressed-tensors refuse these layers";
  return fmt::format("{}: {} do not divide into {} and end in a shorter one; {}", scheme.name, layers, extent, who);
}

// Points the modules of one group to it, and those that its groups of columns do not divide to one of their own.
void assign_group(const CompressOptions& options, Plan& plan, size_t index) {
  ConfigGroup& group = plan.output->groups[index];
  std::vector<const ModulePlan*> ragged;
  std::vector<ModulePlan*> members;
  for (ModulePlan& module : plan.modules) {
    if (plan.output->group_of(module.name) != &group) continue;
    members.push_back(&module);
    if (!divides(*group.weights, module)) ragged.push_back(&module);
  }
  const bool falls_back = group.storage == Storage::pack_quantized && !ragged.empty();
  if (!ragged.empty()) {
    const Scheme* preset = preset_of(group);  // of a recipe's own groups the recipe is spoken of
    plan.ragged = ragged_warning(group, preset ? *preset : *options.scheme, ragged, falls_back);
    plan.warnings.push_back(plan.ragged);
    plan.refused = plan.refused || !falls_back;
  }
  if (falls_back) {
    ConfigGroup channels{{}, per_channel(group.weights->format), group.activations, group.storage};
    for (const ModulePlan* module : ragged) channels.targets.push_back(module->name);
    plan.output->groups.push_back(std::move(channels));
  }
  for (ModulePlan* module : members) {
    const bool per_channel = falls_back && !divides(*group.weights, *module);
    module->to = per_channel ? &plan.output->groups.back() : &group;
    module->scales = scale_dtype(*module->to->weights, module->dtype, options.quantize.match);
  }
}

// vLLM runs fused layers as one.
void warn_of_split_layers(Plan& plan) {
  std::map<std::string, const ModulePlan*> first;
  for (const ModulePlan& module : plan.modules) {
    const auto [found, is_new] = first.emplace(fused_name(module.name), &module);
    if (is_new || found->second->to == module.to) continue;
    plan.warnings.push_back(fmt::format("{} and {} become different: vLLM runs them as one and refuses that",
                                        found->second->name, module.name));
    return;
  }
}

}  // namespace

const Scheme* preset_of(const ConfigGroup& group) {
  for (const Scheme& scheme : kSchemes) {
    if (scheme.weights == group.weights && scheme.activations == group.activations && scheme.storage == group.storage) {
      return &scheme;
    }
  }
  return nullptr;
}

std::string schemes_text(const QuantizationConfig& config) {
  std::vector<std::string_view> names;
  for (const ConfigGroup& group : config.groups) {
    const Scheme* preset = preset_of(group);
    const std::string_view name = preset ? preset->name : "a scheme of its own";
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return fmt::format("{}", fmt::join(names, " and "));
}

std::string name_in_layer(const std::string& module) {
  constexpr std::string_view kLayers = "layers.";
  const size_t layer = module.find(kLayers);
  return layer == std::string::npos ? module : module.substr(module.find('.', layer + kLayers.size()) + 1);
}

std::string fused_name(const std::string& module) {
  const size_t dot = module.rfind('.') + 1;
  for (const auto& fused : kFusedLinears) {
    for (const std::string_view name : fused) {
      if (module.substr(dot) == name.substr(name.rfind('.') + 1)) {
        return module.substr(0, dot) + std::string(fused.front().substr(fused.front().rfind('.') + 1));
      }
    }
  }
  return module;
}

void plan_modules(const Checkpoint& checkpoint, const CompressOptions& options, Plan& plan) {
  const QuantizationConfig wanted = wanted_groups(options);
  for (const std::string& name : linear_modules(plan.model)) {
    ModulePlan module{.name = name, .weight = name + ".weight"};
    fill_source(checkpoint, options, plan, module, shape_of(plan.model, name));
    if (module.from || wanted.group_of(name)) plan.modules.push_back(std::move(module));
  }
  plan_head(checkpoint, options, plan);
}

QuantizationConfig wanted_groups(const CompressOptions& options) {
  if (options.groups) return *options.groups;
  const Scheme& scheme = *options.scheme;
  QuantizationConfig config;
  if (!scheme.weights) return config;
  if (scheme.octet_only) config.method = "octet";
  config.groups.push_back({{"Linear"}, scheme.weights, scheme.activations, scheme.storage});
  if (!options.include_head) config.ignore.emplace_back(kHead);
  return config;
}

void assign_groups(const CompressOptions& options, Plan& plan) {
  plan.output = wanted_groups(options);
  if (plan.output->groups.empty()) return plan.output.reset();
  plan.output->groups.reserve(2 * plan.output->groups.size());  // modules point into it
  const size_t wanted = plan.output->groups.size();
  for (size_t i = 0; i < wanted; ++i) assign_group(options, plan, i);
  plan_range_sets(plan);
  warn_of_split_layers(plan);
}

}  // namespace octet
