#include "compress/recipe.h"

#include <algorithm>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/yaml.h"
#include "compress/recipe_mappings.h"

namespace octet {
namespace {

constexpr std::string_view kPassedOver[] = {"offload_", "sequential_"};
constexpr std::string_view kPassedOverWhole[] = {"max_chunk_memory",
                                                 "block_size",
                                                 "n_grid",
                                                 "num_calibration_steps",
                                                 "calibration_function",
                                                 "batch_size",
                                                 "max_seq_len",
                                                 "start",
                                                 "end",
                                                 "update",
                                                 "index",
                                                 "group",
                                                 "bypass_divisibility_checks"};
const std::vector<std::string> kModifiers = {"QuantizationModifier",  "GPTQModifier",      "SmoothQuantModifier",
                                             "AWQModifier",           "SpinQuantModifier", "AdaRoundModifier",
                                             "BiasCorrectionModifier"};
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
constexpr std::string_view kQuantizationFields[] = {"targets",        "ignore",          "scheme",
                                                    "config_groups",  "kv_cache_scheme", "weight_observer",
                                                    "input_observer", "output_observer", "observer"};
// Their observers, and those of ours that do the same. A weight is seen once, whatever the name says of time.
struct ObserverName {
  std::string_view theirs, ours;
};
constexpr ObserverName kObservers[] = {{"minmax", "minmax"},
                                       {"memoryless_minmax", "minmax"},
                                       {"static_minmax", "minmax"},
                                       {"moving_average", "moving_average"},
                                       {"mse", "mse"},
                                       {"memoryless_mse", "mse"},
                                       {"static_mse", "mse"},
                                       {"imatrix_mse", "importance_mse"}};
constexpr std::string_view kNarrower[] = {"W4A16", "W4A16_ASYM", "W4A8",  "W4AFP8",
                                          "NVFP4", "NVFP4A16",   "MXFP4", "MXFP4A16"};

template <typename List>
bool contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

// A block of YAML ends with a newline.
std::string trimmed(const std::string& text) {
  constexpr const char* kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
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
    if (!document.is_object() || document.empty()) {
      fail(
          "{}: a recipe is a mapping from modifiers' names to their fields, such as QuantizationModifier: {{scheme: "
          "W8A8}}",
          where_);
    }
    for (const auto& [key, value] : document.items()) read_entry(key, value);
    if (recipe_.schemes.groups.empty() && recipe_.kv_cache_fp8) {
      fail("{}: kv_cache_scheme alone: Octet stores a cache's scales beside compressed layers; give a scheme too",
           where_);
    }
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
    if (holds_modifiers(modifier.fields))
      fail("{}: names of stages end in _stage: call it {}_stage", m.where, printable(m.name, 60));
    if (contains(kLacking, m.name))
      fail("{}: Octet has no such modifier; take it out, or run it elsewhere first", m.where);
    fail("{}: is no modifier that is known; close to it are {}", m.where, close_names(m.name, kModifiers));
  }

  static bool holds_modifiers(const Json& fields) {
    for (const auto& [key, value] : fields.items()) {
      if (key == "modifiers" || key.ends_with("_modifiers") || key.ends_with("Modifier")) return true;
    }
    return false;
  }

  static bool only_steers(const std::string& field) {
    return contains(kPassedOverWhole, field) ||
           std::any_of(std::begin(kPassedOver), std::end(kPassedOver),
                       [&](std::string_view prefix) { return field.starts_with(prefix); });
  }

  // Fields that are not known could change the result.
  void check(const Modifier& m, const std::vector<std::string_view>& known) {
    for (const auto& [key, value] : m.fields.items()) {
      if (contains(known, key)) continue;
      if (!only_steers(key)) {
        std::vector<std::string> names(known.begin(), known.end());
        fail("{}: {} is not a field that is known{}", m.where, printable(key, 60),
             names.empty() ? "" : "; close to it are " + close_names(key, std::move(names)));
      }
      recipe_.notices.push_back(fmt::format(
          "{}.{}: passed over; it changes no number here (memory, batches, time and checks are Octet's own)", m.where,
          printable(key, 60)));
    }
  }

  void read_quantization(const Modifier& m, std::vector<std::string_view> more) {
    for (const std::string_view field : kQuantizationFields) more.push_back(field);
    check(m, more);
    Json groups = Json::object();
    if (m.has("config_groups")) groups = m.fields["config_groups"];
    if (m.has("scheme") && m.has("config_groups")) {
      fail("{}: has both scheme and config_groups; put the scheme into a group, or leave one of them out", m.where);
    }
    if (m.has("scheme")) add_presets(m, groups);
    if (!groups.is_object()) fail("{}.config_groups is {}, not groups by name", m.where, json_text(groups));
    for (auto& [name, group] : groups.items()) {
      if (!group.is_object()) continue;
      if (!group.contains("targets") || group["targets"].is_null()) group["targets"] = targets_of(m);
      read_group(group, fmt::format("{}.config_groups.{}", m.where, printable(name, 60)));
    }
    read_observers(m);
    Json ignore = m.has("ignore") ? m.fields["ignore"] : Json::array();
    if (ignore.is_string()) ignore = Json::array({ignore});
    const Json config{{"quantization_config",
                       {{"quant_method", octets_own_ ? "octet" : "compressed-tensors"},
                        {"config_groups", groups},
                        {"ignore", ignore},
                        {"kv_cache_scheme", m.has("kv_cache_scheme") ? m.fields["kv_cache_scheme"] : Json()}}}};
    auto read = read_quantization_config(config, m.where);
    if (!read) return;
    recipe_.kv_cache_fp8 = recipe_.kv_cache_fp8 || read->kv_cache.has_value();
    if (read->groups.empty()) return;
    check_overlap(*read, groups, m.where);
    if (!recipe_.schemes.groups.empty()) {
      fail("{}: another modifier said already what the layers become; all are rounded by one algorithm here", m.where);
    }
    recipe_.schemes = std::move(*read);
  }

  // Programs that load the checkpoint keep one group for a target.
  static void check_overlap(const QuantizationConfig& config, const Json& groups, const std::string& where) {
    std::map<std::string, std::string> group_of;
    auto name = groups.items().begin();
    for (const ConfigGroup& group : config.groups) {
      for (const std::string& target : group.targets) {
        const auto [found, is_new] = group_of.emplace(target, name.key());
        if (is_new || found->second == name.key()) continue;
        fail("{}: the groups {} and {} both have the target {}; leave it to one of them", where,
             printable(found->second, 60), printable(name.key(), 60), printable(target, 100));
      }
      ++name;
    }
  }

  // What a checkpoint may hold but Octet does not make, and the observers.
  void read_group(Json& group, const std::string& where) {
    if (group.value("weights", Json()).is_null()) {
      fail("{}: has no weights: say what they become; layers that stay as they are go into ignore", where);
    }
    if (!group.value("output_activations", Json()).is_null()) {
      fail("{}.output_activations: outputs of layers are not quantized by Octet; leave it out", where);
    }
    for (const char* const side : {"weights", "input_activations"}) {
      if (!group.contains(side) || !group[side].is_object()) continue;
      Json& args = group[side];
      const std::string at = fmt::format("{}.{}", where, side);
      if (args.contains("num_bits") && args["num_bits"].is_number_integer() && args["num_bits"] != 8) {
        fail("{}.num_bits is {}: Octet makes eight bits", at, json_text(args["num_bits"]));
      }
      const bool weights = side == std::string_view("weights");
      if (weights && args.value("symmetric", Json()) == false) {
        fail("{}.symmetric is false: weights with zero points are read but not made", at);
      }
      if (args.contains("observer") && !args["observer"].is_null())
        use_observer(args["observer"], weights, at + ".observer");
      if (args.contains("observer_kwargs") && !args["observer_kwargs"].empty()) {
        recipe_.notices.push_back(
            fmt::format("{}.observer_kwargs: passed over; Octet's observers have no settings", at));
      }
    }
  }

  void read_observers(const Modifier& m) {
    if (m.has("weight_observer")) use_observer(m.fields["weight_observer"], true, m.where + ".weight_observer");
    if (m.has("input_observer")) use_observer(m.fields["input_observer"], false, m.where + ".input_observer");
    if (!m.has("observer")) return;
    const Json& observer = m.fields["observer"];
    const std::string where = m.where + ".observer";
    if (observer.is_string()) {
      use_observer(observer, true, where);
      use_observer(observer, false, where);
    } else if (observer.is_object()) {
      for (const auto& [key, name] : observer.items()) {
        if (key != "weights" && key != "input")
          fail("{}.{}: is not known; weights and input are", where, printable(key, 60));
        use_observer(name, key == "weights", where);
      }
    } else {
      fail("{} is {}, not a name", where, json_text(observer));
    }
  }

  void use_observer(const Json& name, bool of_weights, const std::string& where) {
    const auto* const row = std::find_if(std::begin(kObservers), std::end(kObservers),
                                         [&](const ObserverName& o) { return name.is_string() && name == o.theirs; });
    if (row == std::end(kObservers)) fail("{} is {}, an observer that Octet lacks", where, json_text(name));
    (of_weights ? recipe_.pipeline.weights : recipe_.pipeline.inputs) = &observer_named(row->ours);
  }

  static Json targets_of(const Modifier& m) {
    if (!m.has("targets")) return Json::array({"Linear"});
    return m.fields["targets"].is_string() ? Json::array({m.fields["targets"]}) : m.fields["targets"];
  }

  // scheme: a name, or names with their targets.
  void add_presets(const Modifier& m, Json& groups) {
    const Json& scheme = m.fields["scheme"];
    if (scheme.is_string()) return add_preset(m, groups, trimmed(scheme.get<std::string>()), targets_of(m));
    if (!scheme.is_object()) fail("{}.scheme is {}, not a name", m.where, json_text(scheme));
    if (scheme.contains("weights")) {  // one scheme written out
      groups[fmt::format("scheme_{}", groups.size())] = scheme;
      return;
    }
    for (const auto& [name, targets] : scheme.items()) {
      add_preset(m, groups, name, targets.is_string() ? Json::array({targets}) : targets);
    }
  }

  void add_preset(const Modifier& m, Json& groups, const std::string& name, const Json& targets) {
    if (contains(kNarrower, name)) fail("{}.scheme: {} has fewer than eight bits; Octet makes eight", m.where, name);
    QuantizationConfig one;
    try {
      const Scheme& scheme = scheme_named(name);
      octets_own_ = octets_own_ || scheme.octet_only;
      one.groups.push_back({{}, scheme.weights, scheme.activations, scheme.storage});
    } catch (const UsageError& error) {
      fail("{}.scheme: {}", m.where, error.what());
    }
    Json group = write_quantization_config(one)["config_groups"]["group_0"];
    group["targets"] = targets;
    groups[fmt::format("scheme_{}", groups.size())] = group;
  }

  void read_gptq(const Modifier& m) {
    constexpr double kDampening = 0.01;  // llm-compressor's
    read_quantization(m, {"dampening_frac", "actorder"});
    Pipeline& p = recipe_.pipeline;
    p.rounding = RoundingAlgorithm::gptq;
    p.gptq.damping = json_value<double>(m.fields, "dampening_frac", kDampening, m.where);
    if (!(p.gptq.damping > 0 && p.gptq.damping <= 10))
      fail("{}.dampening_frac: has to be above 0, at most 10", m.where);
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
    check(m, {"smoothing_strength", "mappings", "ignore", "algorithm"});
    if (m.has("algorithm") && m.fields["algorithm"] != "smoothquant") {
      fail("{}.algorithm is {}: Octet has smoothquant", m.where, json_text(m.fields["algorithm"]));
    }
    set_smoothing(m, "smoothquant");
    Pipeline& p = recipe_.pipeline;
    p.smoothing_strength = json_value<double>(m.fields, "smoothing_strength", 0.5, m.where);
    if (!(p.smoothing_strength >= 0 && p.smoothing_strength <= 1)) {
      fail("{}.smoothing_strength: has to lie between 0 and 1", m.where);
    }
    p.smooth.values = p.smooth.up = false;  // llm-compressor smooths behind norms
    if (m.has("mappings")) p.smooth = read_mappings(m.fields["mappings"], m.where + ".mappings");
    if (!m.has("ignore")) return;
    const Json& ignore = m.fields["ignore"];
    for (const Json& name : ignore.is_array() ? ignore : Json::array({ignore})) {
      if (name != "lm_head" && name != "re:.*lm_head") {
        fail("{}.ignore has {}: all layers are smoothed alike here; choose by mappings", m.where, json_text(name));
      }
    }
  }

  void read_awq(const Modifier& m) {
    read_quantization(m, {"mappings", "duo_scaling"});
    set_smoothing(m, "awq");
    if (m.has("duo_scaling") && m.fields["duo_scaling"] == false) {
      fail("{}.duo_scaling: Octet's factors look at the weights too; leave it out", m.where);
    }
    if (m.has("mappings")) recipe_.pipeline.smooth = read_mappings(m.fields["mappings"], m.where + ".mappings");
  }

  void set_smoothing(const Modifier& m, std::string_view name) {
    if (recipe_.pipeline.smoothing) fail("{}: another modifier smooths already", m.where);
    recipe_.pipeline.smoothing = &smoothing_named(name);
  }

  void read_spinquant(const Modifier& m) {
    check(m, {"rotations", "transform_type", "randomize", "learnable", "precision", "transform_block_size", "mappings",
              "norm_mappings"});
    for (const char* const key : {"learnable", "transform_block_size", "mappings", "norm_mappings"}) {
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
  bool octets_own_ = false;  // a scheme that no other program reads is among them
  Recipe recipe_;
};

}  // namespace

Recipe read_recipe(std::string_view yaml, const std::string& where) {
  return RecipeReader(printable(where)).read(parse_yaml(yaml, printable(where)));
}

}  // namespace octet
