#include "cli/compress_dry_run.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/units.h"
#include "cli/compress_budget.h"
#include "cli/output.h"
#include "compress/module_kinds.h"
#include "compress/modules.h"
#include "compress/sequences.h"

namespace octet::cli {
namespace {

// The texts as the run itself reads them, for they stand in memory; and what of them would be calibrated on.
struct CalibrationText {
  Texts texts;
  Sequences sequences = {};
  int64_t rows() const { return sequences.begins.empty() ? 0 : sequences.rows(); }
};

CalibrationText text_to_calibrate_on(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                                     const CompressOptions& options) {
  CalibrationText result{texts_of(given)};
  if (!uses_calibration(options)) return result;
  result.sequences =
      sequences_of(checkpoint, plan.model, {given.calibration, options.context, options.calibration_tokens},
                   result.texts.calibration);
  return result;
}

std::string algorithm_text(const CompressArguments& given, const CompressOptions& options) {
  if (!given.recipe.empty()) return "what the modifiers of " + printable(given.recipe) + " say";
  if (!given.algorithm.empty()) return given.algorithm;
  return options.pipeline.plain() ? "rtn" : "default";
}

// A row for every kind of layer and what becomes of it: how many, and their shape.
void print_plan(const Plan& plan, const std::string& algorithm, const Prediction& prediction) {
  std::string text;
  for (const ModuleKind& kind : kinds_of(plan)) {
    text += fmt::format("{:<20} {:>4} x {:<16} {}\n", printable(kind.name), kind.count, kind.shape, kind.after);
  }
  text += fmt::format("{:<20} {}\n{:<20} {}\n", "algorithm", algorithm, "size", size_line(plan));
  text += fmt::format("{:<20} {} here\n{:<20} at most {}\n", "time", time_text(prediction.seconds), "memory",
                      human_bytes(static_cast<double>(prediction.peak)));
  print(text);
}

}  // namespace

bool uses_calibration(const CompressOptions& options) {
  return options.calibration && (!options.pipeline.plain() || options.needs_calibration() || options.kv_cache_fp8);
}

std::string size_line(const Plan& plan) {
  return fmt::format("{} to {} of weights ({:.1f} %)", human_bytes(static_cast<double>(plan.bytes_before)),
                     human_bytes(static_cast<double>(plan.bytes_after)),
                     100.0 * static_cast<double>(plan.bytes_after) / static_cast<double>(plan.bytes_before));
}

Json json_of(const Plan& plan, const CompressOptions& options) {
  return {{"scheme", options.scheme->name},
          {"bytes_before", plan.bytes_before},
          {"bytes_after", plan.bytes_after},
          {"layers", plan.modules.size()},
          {"warnings", plan.warnings}};
}

int dry_run(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
            const CompressOptions& options, const Common& common) {
  Threads threads(common.threads);
  const CalibrationText text = text_to_calibrate_on(given, checkpoint, plan, options);
  const int64_t rows = text.rows();
  constexpr int64_t kOutput = int64_t{3} << 19;  // what hashes the model, and shows how far it is
  const Prediction prediction =
      predict(given, checkpoint, plan, options, rows, text.texts.validation, threads, kOutput);
  const std::string algorithm = algorithm_text(given, options);
  if (!common.json) {
    print_plan(plan, algorithm, prediction);
    return 0;
  }
  Json object = json_of(plan, options);
  object["dry_run"] = true;
  object["algorithm"] = algorithm;
  object["calibration_tokens"] = rows;
  object["seconds"] = prediction.seconds;
  object["memory_bytes"] = prediction.peak;
  print_json(object);
  return 0;
}

}  // namespace octet::cli
