#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "base/units.h"
#include "cli/eval_classifier.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "models/architectures.h"
#include "models/classifier.h"
#include "models/load.h"
#include "report/text_table.h"

namespace octet::cli {
namespace {

struct Options {
  std::string model;
};

// "INT8 per channel, INT8 per token"
std::string text_of(const Quantization& q) {
  constexpr std::string_view kNames[] = {"tensor", "channel", "token", "group", "block"};
  std::string text = fmt::format("{} per {}", format_info(q.format).name, kNames[static_cast<int>(q.granularity)]);
  if (q.granularity == Granularity::group) text += fmt::format(" of {}", q.group);
  if (q.granularity == Granularity::block) text += fmt::format(" of {}x{}", q.block_rows, q.group);
  return text;
}

std::string scheme_text(const ConfigGroup& group) {
  if (!group.weights) return "float";
  return text_of(*group.weights) + (group.activations ? ", input " + text_of(*group.activations) : ", input float");
}

// The module that a tensor belongs to: its name without the last part.
std::string module_of(const std::string& tensor) {
  return tensor.substr(0, tensor.rfind('.'));
}

struct Summary {
  int64_t parameters = 0, bytes = 0;
  Json tensors = Json::array();
};

std::set<std::string> modules_that_can_be_quantized(const DecoderConfig& config) {
  const auto names = linear_modules(config);
  std::set<std::string> modules(names.begin(), names.end());
  modules.insert("lm_head");
  return modules;
}

// A code counts as a parameter, its scale does not.
Summary summarize(const Checkpoint& checkpoint, const DecoderConfig& config,
                  const std::optional<QuantizationConfig>& quantization, report::TextTable& table) {
  Summary summary;
  const auto linear = modules_that_can_be_quantized(config);
  for (const std::string& name : checkpoint.names()) {
    const TensorInfo& info = checkpoint.info(name);
    const std::string module = module_of(name);
    const bool is_packed = name.ends_with(".weight_packed"), is_weight = name.ends_with(".weight");
    const ConfigGroup* group =
        quantization && (is_weight || is_packed) && linear.contains(module) ? quantization->group_of(module) : nullptr;
    const std::string scheme = group ? scheme_text(*group) : "";
    if (is_weight || name.ends_with(".bias")) summary.parameters += elements_of(info.shape);
    if (is_packed) summary.parameters += elements_of(info.shape) * 4;
    summary.bytes += info.bytes;
    summary.tensors.push_back({{"name", name},
                               {"shape", info.shape},
                               {"dtype", name_of(info.dtype)},
                               {"bytes", info.bytes},
                               {"scheme", scheme.empty() ? Json() : Json(scheme)}});
    table.add({name, octet::text_of(info.shape), std::string(name_of(info.dtype)),
               human_bytes(static_cast<double>(info.bytes)), scheme});
  }
  return summary;
}

/// Of a classifier: its tensors, and one line about what it can do.
int inspect_classifier(const Checkpoint& checkpoint, const Json& json, const std::string& line, const Common& common) {
  report::TextTable table({"tensor", "shape", "dtype", "size"});
  Summary summary;
  for (const std::string& name : checkpoint.names()) {
    const TensorInfo& info = checkpoint.info(name);
    summary.parameters += elements_of(info.shape);
    summary.bytes += info.bytes;
    summary.tensors.push_back(
        {{"name", name}, {"shape", info.shape}, {"dtype", name_of(info.dtype)}, {"bytes", info.bytes}});
    table.add({name, octet::text_of(info.shape), std::string(name_of(info.dtype)),
               human_bytes(static_cast<double>(info.bytes))});
  }
  if (common.json) {
    const ClassifierConfig config = read_classifier_config(json, "config.json");
    print_json({{"architecture", classifier_kind_of(json)->architecture},
                {"parameters", summary.parameters},
                {"bytes", summary.bytes},
                {"classes", config.classes},
                {"labels", config.labels},
                {"vocabulary", config.vocabulary},
                {"positions", config.max_positions},
                {"tensors", summary.tensors}});
    return 0;
  }
  print(table.text(Paint(1)));
  print(fmt::format("\n{}\n{} parameters, {}\n", line, human_count(static_cast<double>(summary.parameters)),
                    human_bytes(static_cast<double>(summary.bytes))));
  return 0;
}

int inspect(const Options& options, const Common& common) {
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const std::string where = (checkpoint.directory() / "config.json").string();
  const Json json = parse_json(checkpoint.config_text(), where);
  if (const auto line = classifier_line(options.model)) return inspect_classifier(checkpoint, json, *line, common);
  const DecoderConfig config = read_decoder_config(json, where);
  const auto quantization = read_quantization_config(json, where);
  report::TextTable table({"tensor", "shape", "dtype", "size", "scheme"});
  const Summary summary = summarize(checkpoint, config, quantization, table);
  if (common.json) {
    print_json({{"architecture", config.architecture->name},
                {"parameters", summary.parameters},
                {"bytes", summary.bytes},
                {"layers", config.layers},
                {"hidden_size", config.hidden},
                {"vocabulary", config.vocabulary},
                {"positions", config.max_positions},
                {"quantization", quantization ? Json(quantization->method) : Json()},
                {"tensors", summary.tensors}});
    return 0;
  }
  print(table.text(Paint(1)));
  print(fmt::format("\n{}: {} layers, {} wide, {}/{} heads of {}, vocabulary {}, {} positions\n{} parameters, {}{}\n",
                    config.architecture->name, config.layers, config.hidden, config.heads, config.kv_heads,
                    config.head_dim, config.vocabulary, config.max_positions,
                    human_count(static_cast<double>(summary.parameters)),
                    human_bytes(static_cast<double>(summary.bytes)), quantization ? ", " + quantization->method : ""));
  return 0;
}

}  // namespace

Run add_inspect(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("MODEL", options->model, "a model directory")->required();
  return [options](const Common& common) { return inspect(*options, common); };
}

}  // namespace octet::cli
