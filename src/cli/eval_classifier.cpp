#include "cli/eval_classifier.h"

#include <fmt/ranges.h>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/escape.h"
#include "base/json.h"
#include "base/memory.h"
#include "cli/output.h"
#include "train/evaluate_classifier.h"

namespace octet::cli {

std::optional<std::string> classifier_line(const std::string& directory) {
  const auto file = std::filesystem::path(directory) / "config.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  const Json json = read_json(file);
  const ClassifierKind* kind = classifier_kind_of(json);
  if (!kind) return std::nullopt;
  const ClassifierConfig config = read_classifier_config(json, file.string());
  std::string names = fmt::format("{}", fmt::join(config.labels, ", "));
  if (!names.empty()) names = fmt::format(" ({})", printable(names, 200));
  return fmt::format("{}: {} of {} classes{}; octet eval {} --data FILE.tsv measures its accuracy", kind->architecture,
                     kind->what, config.classes, names, printable(directory));
}

int eval_classifier(const std::string& directory, const std::string& data, const Common& common) {
  PeakMemory memory;
  Threads threads(common.threads);
  const train::ClassifierResult r = train::evaluate_classifier(directory, data, threads);
  const double speed = static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9);
  if (common.json) {
    print_json({{"loss", r.loss},
                {"accuracy", r.accuracy},
                {"documents", r.documents},
                {"tokens", r.tokens},
                {"truncated", r.truncated},
                {"without_tokens", r.without_tokens},
                {"seconds", r.seconds},
                {"tokens_per_second", speed},
                {"peak_memory_bytes", memory.peak_anonymous_bytes()},
                {"peak_rss_bytes", peak_rss_bytes()}});
    return 0;
  }
  std::string text = fmt::format("{} documents: accuracy {:.2f} %, loss {:.4f}", r.documents, 100 * r.accuracy, r.loss);
  if (r.truncated > 0) text += fmt::format("; {} were cut to the model's length", r.truncated);
  if (r.without_tokens > 0) text += fmt::format("; of {} cleaning left nothing", r.without_tokens);
  print(text + "\n");
  return 0;
}

}  // namespace octet::cli
