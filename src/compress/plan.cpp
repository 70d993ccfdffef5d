#include "compress/plan.h"

#include <charconv>
#include <set>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/units.h"
#include "compress/modules.h"
#include "compress/recipe.h"
#include "compress/required_tensors.h"
#include "compress/rotate_ends.h"
#include "models/architectures.h"

namespace octet {
namespace {

// What a quantized module consists of, in any of the formats that are read.
constexpr std::string_view kModuleTensors[] = {
    "weight",       "weight_packed", "weight_codebook",   "weight_shape",     "weight_scale",        "weight_scale_inv",
    "weight_g_idx", "input_scale",   "weight_zero_point", "input_zero_point", "weight_global_scale",
};
constexpr std::string_view kCacheScales[] = {".self_attn.k_scale", ".self_attn.v_scale"};

Part part_named(std::string_view tensor) {
  const std::string_view name = tensor.substr(tensor.rfind('.') + 1);
  if (name == "weight_scale" || name == "weight_scale_inv") return Part::scales;
  if (name == "weight_codebook") return Part::codebook;
  if (name == "weight_shape") return Part::shape;
  if (name == "input_scale") return Part::input_scale;
  if (name == "input_zero_point") return Part::input_zero_point;
  return Part::codes;
}

// Lays out the output's tensors in the input's order, a module's together where its first one stood.
class TensorPlanner {
 public:
  TensorPlanner(const Checkpoint& checkpoint, const CompressOptions& options, Plan& plan)
      : checkpoint_(checkpoint), options_(options), plan_(plan) {
    for (size_t i = 0; i < plan.modules.size(); ++i) module_of_[plan.modules[i].name] = static_cast<int>(i);
  }

  void run() {
    for (const std::string& name : checkpoint_.names()) place(name);
    if (plan_.unties_head) place_head();
    if (options_.kv_cache_fp8) place_cache_scales();
    for (OutputTensor& tensor : plan_.tensors) {
      tensor.info.bytes = elements_of(tensor.info.shape) * bytes_of(tensor.info.dtype);
      plan_.bytes_after += tensor.info.bytes;
    }
    plan_.bytes_before = checkpoint_.bytes();
    cut_into_shards();
  }

 private:
  void place(const std::string& name) {
    const size_t dot = name.rfind('.');
    const std::string_view last = std::string_view(name).substr(dot == std::string::npos ? 0 : dot + 1);
    const auto module = dot == std::string::npos ? module_of_.end() : module_of_.find(name.substr(0, dot));
    const bool of_module =
        std::find(std::begin(kModuleTensors), std::end(kModuleTensors), last) != std::end(kModuleTensors);
    if (module != module_of_.end() && of_module) {
      place_module(module->second);
    } else if (!is_replaced_cache_scale(name)) {
      plan_.tensors.push_back({checkpoint_.info(name), Part::copy});
    }
  }

  void place_module(int index) {
    if (!placed_.insert(index).second) return;
    const ModulePlan& module = plan_.modules[static_cast<size_t>(index)];
    if (!module.to) {
      plan_.tensors.push_back({{module.name + ".weight", module.kept, {module.n, module.k}}, Part::numbers, index});
      return;
    }
    const DType scales = module.scales == DType::U8 ? module.dtype : module.scales;
    // Codes first: the scales are known when they are made.
    std::vector<TensorInfo> parts = plan_qtensor(module.name, *module.to, module.n, module.k, scales);
    std::stable_partition(parts.begin(), parts.end(),
                          [](const auto& info) { return part_named(info.name) == Part::codes; });
    for (TensorInfo& info : parts) {
      const Part part = part_named(info.name);
      plan_.tensors.push_back({std::move(info), part, index});
    }
  }

  // A head of its own, of codes or, where only the rotation needs one, of numbers.
  void place_head() {
    const auto module = module_of_.find(kHead);
    if (module != module_of_.end()) return place_module(module->second);
    TensorInfo info = checkpoint_.info(kEmbedding);
    info.name = std::string(kHead) + ".weight";
    plan_.tensors.push_back({std::move(info), Part::copy});
  }

  // Cache scales go with the scheme that had them, or are made anew.
  bool is_replaced_cache_scale(const std::string& name) const {
    if (options_.scheme->weights && !options_.kv_cache_fp8) return false;
    return std::any_of(std::begin(kCacheScales), std::end(kCacheScales),
                       [&](std::string_view suffix) { return name.ends_with(suffix); });
  }

  void place_cache_scales() {
    const DType dtype = scale_dtype(per_tensor(Format::E4M3), plan_.model.dtype, options_.quantize.match);
    for (int64_t layer = 0; layer < plan_.model.layers; ++layer) {
      const std::string module = fmt::format("model.layers.{}", layer);
      const int index = static_cast<int>(layer);
      plan_.tensors.push_back({{module + std::string(kCacheScales[0]), dtype, {1}}, Part::k_scale, index});
      plan_.tensors.push_back({{module + std::string(kCacheScales[1]), dtype, {1}}, Part::v_scale, index});
    }
  }

  // Files of at most shard_bytes, a module in one of them.
  void cut_into_shards() {
    int64_t bytes = 0;
    for (size_t i = 0; i < plan_.tensors.size();) {
      size_t end = i + 1;
      const int module = plan_.tensors[i].module;
      while (end < plan_.tensors.size() && module >= 0 && plan_.tensors[end].module == module) ++end;
      int64_t unit = 0;
      for (size_t at = i; at < end; ++at) unit += plan_.tensors[at].info.bytes;
      if (bytes > 0 && bytes + unit > options_.shard_bytes) {
        plan_.shard_ends.push_back(i);
        bytes = 0;
      }
      bytes += unit;
      i = end;
    }
    plan_.shard_ends.push_back(plan_.tensors.size());
    plan_.sharded = plan_.shard_ends.size() > 1 || checkpoint_.files().size() > 1;
  }

  const Checkpoint& checkpoint_;
  const CompressOptions& options_;
  Plan& plan_;
  std::map<std::string, int, std::less<>> module_of_;
  std::set<int> placed_;
};

bool is_beneath(const std::filesystem::path& path, const std::filesystem::path& directory) {
  return std::mismatch(directory.begin(), directory.end(), path.begin(), path.end()).first == directory.end();
}

// The output must leave the model as it is: not replace it, nor stand among its files, nor swallow it.
void check_places(const CompressOptions& options) {
  if (options.output.empty()) return;  // a dry run
  std::error_code error;
  const auto real = [&](const std::filesystem::path& path) {
    std::filesystem::path whole = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
    return whole.has_filename() ? whole : whole.parent_path();  // "out/" is "out"
  };
  const std::filesystem::path model = real(options.model), output = real(options.output);
  if (output.empty()) return;  // no path that could be made; making it says why
  const std::string name = printable(options.output.string());
  if (output == model) throw UsageError(fmt::format("{}: is the model itself; give -o another directory", name));
  if (is_beneath(output, model)) {
    throw UsageError(fmt::format("{}: lies in the model's own directory; give -o one outside of it", name));
  }
  if (is_beneath(model, output)) {
    throw UsageError(fmt::format("{}: the model lies in it; give -o another directory", name));
  }
}

// What asks for a calibration text, as the subject of a sentence.
std::string watcher_of(const CompressOptions& options) {
  if (!options.recipe.empty()) return printable(options.recipe) + ": its modifiers watch";
  const Pipeline& p = options.pipeline;
  const bool by_range = !p.rotation && !p.smoothing && p.rounding == RoundingAlgorithm::nearest && !p.bias_correction;
  const bool observed = by_range && p.weights == p.inputs;
  return observed ? fmt::format("--observer {} watches", p.weights->name) : std::string("--algorithm watches");
}

// Layers that config.json does not count are carried along as they are.
void warn_of_more_layers(const Checkpoint& checkpoint, const std::string& where, Plan& plan) {
  constexpr std::string_view kLayers = "model.layers.";
  for (const std::string& name : checkpoint.names()) {
    int64_t layer = -1;
    const bool of_layer = name.starts_with(kLayers);
    if (of_layer) std::from_chars(name.data() + kLayers.size(), name.data() + name.size(), layer);
    if (layer < plan.model.layers) continue;
    plan.warnings.push_back(
        fmt::format("{}: num_hidden_layers is {}, but tensors of layer {} are stored; what is "
                    "above is copied as it is",
                    where, plan.model.layers, layer));
    return;
  }
}

// A recipe whose targets are all ignored would make a "compressed" model of which nothing is.
void check_something_is_made(const CompressOptions& options, const Plan& plan) {
  if (!options.groups && !options.scheme->weights) return;
  const bool any = std::any_of(plan.modules.begin(), plan.modules.end(), [](const ModulePlan& m) { return m.to; });
  if (any) return;
  fail("{}: no layer is left to compress: its targets are all ignored",
       options.recipe.empty() ? "the config groups" : printable(options.recipe));
}

void check_options(const CompressOptions& options) {
  check_places(options);
  const Scheme& scheme = *options.scheme;
  if (!scheme.weights && options.kv_cache_fp8) {
    throw UsageError("--kv-cache fp8 stores scales beside a compressed model; UNQUANTIZED has no place for them");
  }
  if (!scheme.weights && !options.pipeline.plain()) {
    throw UsageError(fmt::format("--algorithm is of no use for {}, which rounds nothing", scheme.name));
  }
  if (!options.pipeline.plain() && options.quantize.match != Match::octet) {
    throw UsageError(
        "--match says that another program's round to nearest comes out, bit for bit: it goes with --algorithm rtn");
  }
  if (scheme.non_linear() && options.quantize.rounding != Rounding::half_even) {
    throw UsageError(fmt::format("{}: the nearest of its codes is taken; leave --rounding out", scheme.name));
  }
  if (scheme.non_linear() && options.pipeline.weights != &range_observers()[0] &&
      options.pipeline.weights->name != "importance_mse") {
    throw UsageError(
        fmt::format("{}: its codes cover the whole range of the numbers; leave --observer out", scheme.name));
  }
  if (options.calibration) return;
  if (!options.pipeline.plain()) {
    throw UsageError(fmt::format("{} what the layers are given: give a text to watch it on with --calibration FILE",
                                 watcher_of(options)));
  }
  if (options.needs_calibration()) {
    throw UsageError(fmt::format(
        "{} fixes the range of every layer's input beforehand: give a text to watch it on with --calibration FILE",
        scheme.name));
  }
  if (options.kv_cache_fp8) {
    throw UsageError(
        "--kv-cache fp8 stores the range of every layer's keys and values: give a text to watch them on with "
        "--calibration FILE");
  }
}

}  // namespace

bool CompressOptions::needs_calibration() const {
  if (!groups) return scheme->needs_calibration();
  return std::any_of(groups->groups.begin(), groups->groups.end(),
                     [](const ConfigGroup& group) { return group.activations && !group.activations->dynamic; });
}

Plan make_plan(const Checkpoint& checkpoint, const CompressOptions& options) {
  Plan plan;
  const std::string where = (checkpoint.directory() / "config.json").string();
  const Json config = parse_json(checkpoint.config_text(), where);
  plan.model = read_decoder_config(config, where);
  plan.input = read_quantization_config(config, where);
  plan.model.dtype = checkpoint.info(kEmbedding).dtype;
  check_options(options);
  if (options.groups) {
    std::vector<std::string> names = linear_modules(plan.model);
    names.emplace_back(kHead);
    plan.warnings = check_names(*options.groups, names, options.recipe);
  }
  plan_modules(checkpoint, options, plan);
  if (options.pipeline.rotation && plan.model.tied && !has_even_final_norm(checkpoint)) {
    plan.unties_head = true;  // its norm's weight goes into the head alone
    plan.warnings.push_back(fmt::format("{}: rotation gives the tied head numbers of its own, {} more", where,
                                        human_bytes(static_cast<double>(checkpoint.info(kEmbedding).bytes))));
  }
  require_tensors_beside_modules(checkpoint, plan);
  if (!options.scheme->weights && plan.modules.empty()) {
    plan.warnings.push_back(fmt::format("{}: is not compressed, its numbers are copied as they are",
                                        printable(checkpoint.directory().string())));
  }
  if (plan.model.tied && checkpoint.has(std::string(kHead) + ".weight")) {
    plan.warnings.push_back(fmt::format("{}: tie_word_embeddings is true, so the stored lm_head is not used", where));
  }
  warn_of_more_layers(checkpoint, printable(where), plan);
  assign_groups(options, plan);
  const auto is_rounded_twice = [](const ModulePlan& module) { return module.from && module.to; };
  if (std::any_of(plan.modules.begin(), plan.modules.end(), is_rounded_twice)) {
    plan.warnings.push_back(
        fmt::format("{} is compressed already: its codes are decoded and rounded once more, which loses more than "
                    "compressing the model that it was made of",
                    printable(checkpoint.directory().string())));
  }
  const auto has_bias = [&](const ModulePlan& m) { return m.to && checkpoint.has(m.name + ".bias"); };
  if (options.pipeline.bias_correction && std::none_of(plan.modules.begin(), plan.modules.end(), has_bias)) {
    plan.warnings.emplace_back("no layer that is compressed has a bias: there is none to correct");
  }
  check_something_is_made(options, plan);
  if (plan.output) {
    plan.output->kv_cache = plan.input ? plan.input->kv_cache : std::nullopt;
    if (options.kv_cache_fp8) plan.output->kv_cache = per_tensor(Format::E4M3);
  }
  TensorPlanner(checkpoint, options, plan).run();
  return plan;
}

}  // namespace octet
