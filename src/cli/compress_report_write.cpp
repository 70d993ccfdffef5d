#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/progress.h"
#include "cli/compress_budget.h"
#include "cli/compress_report.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "compress/modules.h"
#include "compress/plan.h"
#include "models/architectures.h"

namespace octet::cli {
namespace {

std::string text_of_pipeline(const Pipeline& p, const char* kind) {
  const std::string_view of = kind;
  if (of == "transform") {
    std::string text = p.rotation ? "Hadamard rotation of the residual stream and of heads" : "";
    if (p.smoothing) text += fmt::format("{}{}", text.empty() ? "" : ", ", p.smoothing->name);
    return text;
  }
  if (of == "range")
    return fmt::format("{} for weights, {} for inputs that are fixed", p.weights->name, p.inputs->name);
  if (of == "correction") return p.bias_correction ? "biases, by the mean error of their layer" : "";
  if (p.rounding == RoundingAlgorithm::gptq) {
    const std::string damping = p.gptq.damping > 0 ? fmt::format("{}", p.gptq.damping) : "0.01 to 0.2";
    return fmt::format("GPTQ, {} of the mean diagonal added{}", damping,
                       p.gptq.activation_order ? ", in the order of the inputs' power" : "");
  }
  return p.rounding == RoundingAlgorithm::learned ? "learned, up or down for every number" : "to the nearest";
}

// Memory that was freed but kept for reuse would hide what a model takes when it is loaded into it.
uint64_t held_bytes() {
  return_freed_memory();
  return anonymous_bytes();
}

// Layers that stay as they are, which no plan knows: they join it as rows of the page's table.
void describe_wide_layers(const Checkpoint& before, Plan& plan, CompressReport& report) {
  std::string names;
  for (const std::string& name : linear_modules(plan.model)) {
    const auto found = std::find_if(plan.modules.begin(), plan.modules.end(),
                                    [&](const ModulePlan& module) { return module.name == name; });
    if (found != plan.modules.end() && found->to) continue;
    names += (names.empty() ? "" : ", ") + name;
    if (found != plan.modules.end()) continue;
    const TensorInfo weight = before.info(name + ".weight");
    plan.modules.push_back(
        {.name = name, .n = weight.shape.at(0), .k = weight.shape.at(1), .dtype = weight.dtype, .kept = weight.dtype});
  }
  if (!report.candidates.empty()) report.steps.push_back({"stay wide", names.empty() ? "no linear layer" : names});
}

// What became of which layers, by what.
void describe(const CompressArguments& given, const CompressOptions& asked, CompressReport& report) {
  for (const char* const kind : {"transform", "range", "rounding", "correction"}) {
    const std::string text = text_of_pipeline(asked.pipeline, kind);
    if (!text.empty()) report.steps.push_back({kind, text});
  }
  if (asked.calibration && !asked.pipeline.plain()) {
    report.steps.push_back({"calibration", fmt::format("{}, up to {} tokens in runs of {}", given.calibration,
                                                       asked.calibration_tokens, asked.context)});
  }
  if (!report.candidates.empty()) report.bounds = bounds_of(given, report.candidates.at(report.chosen));
  for (const CompressReport::Bound& bound : report.bounds) {
    report.steps.push_back({"contract", fmt::format("{} {}, kept: {}", bound.option, bound.given, bound.reached_text)});
  }
  const Checkpoint before = Checkpoint::open(asked.model), after = Checkpoint::open(asked.output);
  CompressOptions options = asked;
  options.force = true;  // the output is there by now
  const std::string where = (after.directory() / "config.json").string();
  options.groups = read_quantization_config(parse_json(after.config_text(), where), where);
  if (!report.candidates.empty() && options.groups) report.scheme = schemes_text(*options.groups);
  if (!options.groups) options = asked;
  Plan plan = make_plan(before, options);
  report.modules = plan.modules.size();
  describe_wide_layers(before, plan, report);
  report.layers = kinds_of(plan);
}

void measure_for_report(const CompressArguments& given, const CompressOptions& options, const std::string& validation,
                        CompressReport& report, const Comparison* measured, Threads& threads) {
  Context ctx(threads);
  const uint64_t empty = held_bytes();
  const Model model = load_plain_model(options.output.string(), threads);
  const uint64_t one = held_bytes();
  const Model before = load_plain_model(options.model.string(), threads);
  report.memory_after = one - std::min(one, empty);
  const uint64_t both = held_bytes();
  report.memory_before = both - std::min(both, one);
  describe(given, options, report);
  const std::vector<int32_t> tokens = model.tokenizer.encode(validation);
  report.context = std::min<int64_t>(options.context, model.decoder.config.max_positions);
  if (measured) {
    report.comparison = *measured;
  } else {
    Progress progress("measuring for the report", tokens.size(), "tokens");
    PerplexityOptions perplexity{.context = report.context};
    perplexity.progress = [&](int64_t count) { progress.advance(static_cast<uint64_t>(count)); };
    report.comparison = compare(ctx, model, before, tokens, perplexity);
  }
  const SpeedOptions speed{.prefill = std::min<int64_t>(128, report.context / 2), .decode = 16, .repeat = 5};
  report.speed_before = measure_speed(ctx, before.decoder, speed);
  report.speed_after = measure_speed(ctx, model.decoder, speed);
  report.worst = worst_tokens(report.comparison, tokens, model.tokenizer);
  report.model = given.model;
  report.output = given.output;
  if (given.recipe.empty() && report.scheme.empty()) report.scheme = options.scheme->name;
  if (!given.recipe.empty()) report.scheme = "the recipe " + given.recipe;
  report.algorithm = given.recipe.empty()
                         ? given.algorithm.empty() ? options.pipeline.plain() ? "rtn" : "default" : given.algorithm
                         : "its modifiers";
  report.command = options.command + " -o " + quoted(given.output);
  report.validation = given.validation.empty() ? "the last tenth of " + given.calibration : given.validation;
}

}  // namespace

void check_report(const std::string& file) {
  if (file.empty()) return;
  const std::string extension = std::filesystem::path(file).extension().string();
  if (extension != ".html" && extension != ".htm") {
    throw UsageError(fmt::format("--report {}: the report is a page: give a FILE.html", printable(file)));
  }
  if (std::filesystem::is_directory(file)) fail("{}: is a directory; the report is a file", printable(file));
  const auto folder = std::filesystem::path(file).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    fail("{}: there is no such directory for the report", printable(folder.string()));
  }
}

std::string try_report(const CompressArguments& given, const CompressOptions& options,
                       const std::filesystem::path& made, const std::string& validation, CompressReport& report,
                       const Comparison* measured, PeakMemory& memory, Threads& threads) {
  CompressOptions of_made = options;
  of_made.output = made;
  try {
    measure_for_report(given, of_made, validation, report, measured, threads);
    report.peak_memory = memory.peak_anonymous_bytes();
    write_file_atomically(given.report, compress_report(report));
    write_file_atomically(std::filesystem::path(given.report).replace_extension(".json"),
                          compress_report_json(report).dump(1) + "\n");
  } catch (const Error& error) {
    return error.what();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
  return "";
}

void fail_without_report(const std::string& reason, const CompressOptions& options) {
  if (reason.empty()) return;
  fail("{}; the model is complete in {}, only its report is missing", reason, printable(options.output.string()));
}

}  // namespace octet::cli
