#include "compress/recipe.h"

#include <algorithm>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/yaml.h"

namespace octet {
namespace {

constexpr std::string_view kPassedOver[] = {"offload_", "sequential_"};
constexpr std::string_view kPassedOverWhole[] = {
    "max_chunk_memory",     "block_size", "n_grid",      "num_calibration_steps",
    "calibration_function", "batch_size", "max_seq_len", "weight_observer",
    "input_observer",       "start",      "end"};
// Of llm-compressor.
constexpr std::string_view kLacking[] = {"SparseGPTModifier",
                                         "WandaPruningModifier",
                                         "ConstantPruningModifier",
                                         "MagnitudePruningModifier",
                                         "OutputDistillationModifier",
                                         "QuIPModifier",
                                         "AutoRoundModifier",
                                         "LogarithmicEqualizationModifier",
                                         "IMatrixGatherer",
                                         "REAPPruningModifier",
                                         "AutoSmoothQuantModifier"};
constexpr std::string_view kQuantizationFields[] = {"targets", "ignore", "scheme", "config_groups", "kv_cache_scheme"};
constexpr std::string_view kNarrower[] = {"W4A16", "W4A16_ASYM", "W4A8",  "W4AFP8",
                                          "NVFP4", "NVFP4A16",   "MXFP4", "MXFP4A16"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

// One modifier and where it stands.
struct Modifier {
  std::string name;
  const Json& fields;
  std::string where;  // "recipe.yaml: GPTQModifier"

  bool has(const char* key) const { return fields.contains(key) && !fields[key].is_null(); }
};

class RecipeReader {
 public:
  explicit RecipeReader(const std::string& where) : where_(where) {}

  Recipe read(const Json& document) {
    if (!document.is_object() || document.empty()) fail("{}: a recipe is a list of modifiers by name", where_);
    for (const auto& [key, value] : document.items()) read_entry(key, value);
    if (recipe_.schemes.groups.empty()) {
      fail("{}: no modifier says what the layers become: QuantizationModifier or GPTQModifier with a scheme", where_);
    }
    return std::move(recipe_);
  }

 private:
  void read_entry(const std::string& key, const Json& value) {
    const bool nested = key.ends_with("_stage") || key.ends_with("_modifiers") || key == "modifiers";
    if (!nested) return read_modifier({key, value, fmt::format("{}: {}", where_, printable(key, 60))});
    if (!value.is_object()) fail("{}: {} has to hold modifiers by name", where_, printable(key, 60));
    for (const auto& [name, inner] : value.items()) {
      if (name != "run_type") read_entry(name, inner);
    }
  }

  void read_modifier(const Modifier& m) {
    static const Json none = Json::object();
    const Modifier modifier{m.name, m.fields.is_null() ? none : m.fields, m.where};
    if (!modifier.fields.is_object()) fail("{}: has no fields but {}", m.where, json_text(m.fields));
    if (m.name == "QuantizationModifier") return read_quantization(modifier, {});
    if (m.name == "GPTQModifier") return read_gptq(modifier);
    if (m.name == "AdaRoundModifier") return read_adaround(modifier);
    if (m.name == "SmoothQuantModifier") return read_smoothquant(modifier);
    if (m.name == "AWQModifier") return read_awq(modifier);
    if (m.name == "SpinQuantModifier") return read_spinquant(modifier);
    if (m.name == "BiasCorrectionModifier") {
      check(modifier, {});
      recipe_.pipeline.bias_correction = true;
      return;
    }
    if (contains(kLacking, m.name))
      fail("{}: Octet has no such modifier; take it out, or run it elsewhere first", m.where);
    fail("{}: is no modifier that is known", m.where);
  }

  // Fields that are not known could change the result.
  void check(const Modifier& m, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : m.fields.items()) {
      if (contains(known, key)) continue;
      const bool steers = contains(kPassedOverWhole, key) ||
                          std::any_of(std::begin(kPassedOver), std::end(kPassedOver),
                                      [&](std::string_view prefix) { return key.starts_with(prefix); });
      if (!steers) fail("{}: {} is not a field that is known", m.where, printable(key, 60));
      recipe_.notices.push_back(fmt::format(
          "{}.{}: passed over; it steers memory and batches, which Octet chooses itself", m.where, printable(key, 60)));
    }
  }

  void read_quantization(const Modifier& m, std::vector<std::string_view> more) {
    for (const std::string_view field : kQuantizationFields) more.push_back(field);
    check_list(m, more);
    Json groups = Json::object();
    if (m.has("config_groups")) groups = m.fields["config_groups"];
    if (m.has("scheme")) add_presets(m, groups);
    if (!groups.is_object()) fail("{}.config_groups is {}, not groups by name", m.where, json_text(groups));
    for (auto& [name, group] : groups.items()) {
      if (group.is_object() && !group.contains("targets")) group["targets"] = targets_of(m);
    }
    Json ignore = m.has("ignore") ? m.fields["ignore"] : Json::array();
    if (ignore.is_string()) ignore = Json::array({ignore});
    const Json config{{"quantization_config",
                       {{"quant_method", "compressed-tensors"},
                        {"config_groups", groups},
                        {"ignore", ignore},
                        {"kv_cache_scheme", m.has("kv_cache_scheme") ? m.fields["kv_cache_scheme"] : Json()}}}};
    auto read = read_quantization_config(config, m.where);
    if (!read || read->groups.empty()) return;
    if (!recipe_.schemes.groups.empty()) fail("{}: another modifier said already what the layers become", m.where);
    recipe_.kv_cache_fp8 = read->kv_cache.has_value();
    recipe_.schemes = std::move(*read);
  }

  void check_list(const Modifier& m, const std::vector<std::string_view>& known) {
    for (const auto& [key, value] : m.fields.items()) {
      if (!contains(known, key)) check({m.name, Json{{key, value}}, m.where}, {});
    }
  }

  static Json targets_of(const Modifier& m) {
    if (!m.has("targets")) return Json::array({"Linear"});
    return m.fields["targets"].is_string() ? Json::array({m.fields["targets"]}) : m.fields["targets"];
  }

  // scheme: a name, or names with their targets.
  void add_presets(const Modifier& m, Json& groups) {
    const Json& scheme = m.fields["scheme"];
    if (scheme.is_string()) return add_preset(m, groups, scheme.get<std::string>(), targets_of(m));
    if (!scheme.is_object()) fail("{}.scheme is {}, not a name", m.where, json_text(scheme));
    for (const auto& [name, targets] : scheme.items()) {
      add_preset(m, groups, name, targets.is_string() ? Json::array({targets}) : targets);
    }
  }

  void add_preset(const Modifier& m, Json& groups, const std::string& name, const Json& targets) {
    if (contains(kNarrower, name)) fail("{}.scheme: {} has fewer than eight bits; Octet makes eight", m.where, name);
    QuantizationConfig one;
    try {
      const Scheme& scheme = scheme_named(name);
      one.groups.push_back({{}, scheme.weights, scheme.activations, scheme.storage});
    } catch (const UsageError& error) {
      fail("{}.scheme: {}", m.where, error.what());
    }
    Json group = write_quantization_config(one)["config_groups"]["group_0"];
    group["targets"] = targets;
    groups[fmt::format("scheme_{}", groups.size())] = group;
  }

  void read_gptq(const Modifier& m) {
    read_quantization(m, {"dampening_frac", "actorder"});
    Pipeline& p = recipe_.pipeline;
    p.rounding = RoundingAlgorithm::gptq;
    p.gptq.damping = json_value<double>(m.fields, "dampening_frac", p.gptq.damping, m.where);
    if (!(p.gptq.damping > 0 && p.gptq.damping <= 10)) fail("{}.dampening_frac: has to lie between 0 and 10", m.where);
    if (!m.has("actorder")) return;
    const Json& order = m.fields["actorder"];
    const bool plain = order == false || order == "none";
    const bool fixed = order == true || order == "static" || order == "weight";
    if (!plain && !fixed) {
      fail("{}.actorder: columns that change groups (g_idx) are not written; give static", m.where);
    }
    p.gptq.activation_order = fixed;
  }

  void read_adaround(const Modifier& m) {
    read_quantization(m, {});
    recipe_.pipeline.rounding = RoundingAlgorithm::learned;
    recipe_.pipeline.weights = &observer_named("importance_mse");
  }

  void read_smoothquant(const Modifier& m) {
    check(m, {"smoothing_strength", "mappings", "ignore"});
    set_smoothing(m, "smoothquant");
    Pipeline& p = recipe_.pipeline;
    p.smoothing_strength = json_value<double>(m.fields, "smoothing_strength", 0.5, m.where);
    if (!(p.smoothing_strength >= 0 && p.smoothing_strength <= 1)) {
      fail("{}.smoothing_strength: has to lie between 0 and 1", m.where);
    }
    p.smooth_between = false;  // llm-compressor smooths behind norms
    read_mappings(m);
  }

  void read_awq(const Modifier& m) {
    read_quantization(m, {"mappings", "duo_scaling"});
    set_smoothing(m, "awq");
    if (m.has("duo_scaling") && m.fields["duo_scaling"] == false) {
      fail("{}.duo_scaling: Octet's factors look at the weights too; leave it out", m.where);
    }
    read_mappings(m);
  }

  void set_smoothing(const Modifier& m, std::string_view name) {
    if (recipe_.pipeline.smoothing) fail("{}: another modifier smooths already", m.where);
    recipe_.pipeline.smoothing = &smoothing_named(name);
  }

  // [[what is smoothed for, …], where the factors go]; or {smooth_layer, balance_layers}.
  void read_mappings(const Modifier& m) {
    if (!m.has("mappings")) return;
    Pipeline& p = recipe_.pipeline;
    p.smooth_norms = p.smooth_between = false;
    for (const Json& mapping : m.fields["mappings"]) {
      Json from = mapping.is_array() && mapping.size() == 2 ? mapping[1] : Json();
      if (mapping.is_object() && mapping.contains("smooth_layer")) from = mapping["smooth_layer"];
      if (from.is_array() && from.size() == 1) from = Json(from[0]);
      if (!from.is_string()) fail("{}.mappings: {} names no layer that takes the factors", m.where, json_text(mapping));
      const std::string name = from.get<std::string>();
      const auto names = [&](std::string_view part) { return name.find(part) != std::string::npos; };
      if (names("input_layernorm") || names("post_attention_layernorm"))
        p.smooth_norms = true;
      else if (names("v_proj") || names("up_proj"))
        p.smooth_between = true;
      else
        fail("{}.mappings: {} cannot take factors; input_layernorm, post_attention_layernorm, v_proj and up_proj can",
             m.where, json_text(from));
    }
  }

  void read_spinquant(const Modifier& m) {
    check(m,
          {"rotations", "transform_type", "randomize", "learnable", "precision", "transform_block_size", "mappings"});
    for (const char* const key : {"learnable", "transform_block_size", "mappings"}) {
      if (m.has(key) && m.fields[key] != false) fail("{}.{}: is not known here; leave it out", m.where, key);
    }
    const Json rotations = m.has("rotations") ? m.fields["rotations"] : Json::array({"R1", "R2"});
    if (rotations != Json::array({"R1", "R2"}) && rotations != Json::array({"R2", "R1"})) {
      fail("{}.rotations is {}: R1 and R2 are folded into the weights, together; others would need new operations",
           m.where, json_text(rotations));
    }
    recipe_.pipeline.rotation = true;
  }

  std::string where_;
  Recipe recipe_;
};

// Levenshtein's distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string close_names(const std::string& name, std::vector<std::string> modules) {
  std::string_view wanted = name;
  if (wanted.starts_with("re:")) wanted.remove_prefix(3);
  std::stable_sort(modules.begin(), modules.end(), [&](const std::string& a, const std::string& b) {
    return distance(wanted, a) < distance(wanted, b);
  });
  modules.resize(std::min<size_t>(3, modules.size()));
  std::string text;
  for (const std::string& module : modules) text += (text.empty() ? "" : ", ") + module;
  return text;
}

bool matches(const std::string& target, const std::vector<std::string>& modules) {
  if (target == "Linear" || contains(modules, target)) return true;
  QuantizationConfig one;
  one.groups.push_back({{target}, per_channel(Format::INT8), std::nullopt, Storage::int_quantized});
  return std::any_of(modules.begin(), modules.end(), [&](const std::string& module) { return one.group_of(module); });
}

}  // namespace

Recipe read_recipe(std::string_view yaml, const std::string& where) {
  return RecipeReader(printable(where)).read(parse_yaml(yaml, printable(where)));
}

void check_names(const QuantizationConfig& schemes, const std::vector<std::string>& modules, const std::string& where) {
  const auto refuse = [&](const std::string& name) {
    fail("{}: \"{}\" names no linear layer of this model; close to it are {}", printable(where), printable(name, 100),
         close_names(name, modules));
  };
  for (const ConfigGroup& group : schemes.groups) {
    for (const std::string& target : group.targets) {
      if (!matches(target, modules)) refuse(target);
    }
  }
  for (const std::string& name : schemes.ignore) {
    const bool is_pattern = name.starts_with("re:");
    if (!is_pattern && name != "lm_head" && !matches(name, modules)) refuse(name);
  }
}

}  // namespace octet
