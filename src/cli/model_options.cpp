#include "cli/model_options.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/progress.h"
#include "quant/quantize.h"

namespace octet::cli {
namespace {

constexpr const char* kHead = "lm_head";

// A group that does not divide the width falls back to one scale a channel, as compress does for weight-only INT8.
Quantization weights_for(const Scheme& scheme, int64_t k) {
  const Quantization& q = *scheme.weights;
  const bool fits = scheme.storage != Storage::pack_quantized || q.group == 0 || k % q.group == 0;
  return fits ? q : per_channel(q.format);
}

auto quantizer(const ModelOptions& options, Threads& threads) {
  const Scheme& scheme = scheme_named(options.scheme);
  if (scheme.needs_calibration()) {
    throw UsageError(fmt::format("{} needs calibrated ranges: octet compress {} --scheme {} --calibration TEXT -o OUT",
                                 scheme.name, options.model, scheme.name));
  }
  const bool with_head = std::find(options.include.begin(), options.include.end(), kHead) != options.include.end();
  return [&scheme, &threads, with_head](const std::string& module, const Tensor& w) -> std::optional<QTensor> {
    if (!scheme.weights || (module == kHead && !with_head)) return std::nullopt;
    QTensor q = quantize(w, weights_for(scheme, w.size(1)), {}, threads, module + ".weight");
    q.activations = scheme.activations;
    return q;
  };
}

/// Loads with octet::load_model or octet::load_decoder, under a progress bar.
template <typename Load>
auto load_shown(Load load, const std::string& directory, Threads& threads, LoadOptions options) {
  Progress progress("loading", static_cast<uint64_t>(Checkpoint::open(directory).bytes()), "B");
  options.progress = [&](int64_t read) { progress.advance(static_cast<uint64_t>(read)); };
  auto model = load(directory, threads, std::move(options));
  for (const std::string& warning : model.warnings) print_notice("octet: warning: " + warning);
  return model;
}

LoadOptions load_options(const ModelOptions& options, Threads& threads) {
  LoadOptions load;
  if (!options.scheme.empty()) load.quantize = quantizer(options, threads);
  return load;
}

}  // namespace

std::vector<std::string> scheme_names() {
  std::vector<std::string> names{"INT8"};
  for (const Scheme& scheme : kSchemes) names.emplace_back(scheme.name);
  return names;
}

void add_model_options(CLI::App& app, ModelOptions& options) {
  app.add_option("MODEL", options.model, "a model directory")->required();
  CLI::Option* const scheme = app.add_option("--scheme", options.scheme,
                                             "quantize a plain checkpoint while it is loaded, e.g. W8A8 or FP8_DYNAMIC")
                                  ->check(CLI::IsMember(scheme_names(), CLI::ignore_case))
                                  ->type_name("NAME");
  app.add_option("--include", options.include, "with --scheme: quantize this too")
      ->check(CLI::IsMember({kHead}))
      ->needs(scheme)
      ->type_name("MODULE");
  app.add_option("--kv-cache", options.kv_cache, "format of the key-value cache")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "fp8", "int8"}))
      ->capture_default_str()
      ->type_name("FORMAT");
}

Model load_model(const ModelOptions& options, Threads& threads) {
  return load_shown(octet::load_model, options.model, threads, load_options(options, threads));
}

LoadedDecoder load_decoder(const ModelOptions& options, Threads& threads) {
  return load_shown(octet::load_decoder, options.model, threads, load_options(options, threads));
}

Model load_plain_model(const std::string& directory, Threads& threads) {
  return load_shown(octet::load_model, directory, threads, {});
}

}  // namespace octet::cli
