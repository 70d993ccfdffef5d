#include "compress/diff.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/escape.h"
#include "cli/output.h"
#include "cli/verbs.h"

namespace octet::cli {
namespace {

struct Options {
  std::string first, second;
};

std::string error_text(double error) {
  if (std::isnan(error)) return "some by NaN";
  return std::isinf(error) ? "some by infinity" : fmt::format("at most by {:.4g}", error);
}

// JSON has no NaN and no infinity.
Json number_json(double x) {
  if (std::isnan(x)) return "NaN";
  return std::isinf(x) ? Json(x > 0 ? "Infinity" : "-Infinity") : Json(x);
}

Json json_of(const TensorDifference& d) {
  Json object{{"name", d.name},
              {"why", d.why},
              {"codes", d.codes},
              {"codes_different", d.codes_different},
              {"max_code_step", d.max_code_step},
              {"scales_different", d.scales_different},
              {"max_error", number_json(d.max_error)}};
  if (d.row >= 0) {
    object["largest"] = {
        {"row", d.row}, {"column", d.column}, {"first", number_json(d.first)}, {"second", number_json(d.second)}};
  }
  return object;
}

std::string text_of(const TensorDifference& d) {
  std::string text = printable(d.name) + ": " + d.why;
  if (d.codes_different == 0 && d.scales_different == 0) return text + "\n";
  if (!d.why.empty()) text += "; ";
  text += fmt::format("{} of {} differ", with_commas(static_cast<uint64_t>(d.codes_different)),
                      with_commas(static_cast<uint64_t>(d.codes)));
  if (d.scales_different > 0)
    text += fmt::format(", {} scales", with_commas(static_cast<uint64_t>(d.scales_different)));
  if (d.max_code_step > 0) text += fmt::format(", codes by up to {}", d.max_code_step);
  text += ", " + error_text(d.max_error);
  if (d.row >= 0) text += fmt::format(": {:.6g} and {:.6g} at [{}, {}]", d.first, d.second, d.row, d.column);
  return text + "\n";
}

int diff(const Options& options, const Common& common) {
  const Checkpoint first = Checkpoint::open(options.first), second = Checkpoint::open(options.second);
  Threads threads(common.threads);
  const auto differences = diff_checkpoints(first, second, threads);
  if (common.json) {
    Json tensors = Json::array();
    for (const TensorDifference& d : differences) tensors.push_back(json_of(d));
    print_json({{"same", differences.empty()}, {"tensors", tensors}});
    return 0;
  }
  for (const TensorDifference& d : differences) print(text_of(d));
  print(differences.empty() ? "the same\n" : fmt::format("{} tensors differ\n", differences.size()));
  return 0;
}

}  // namespace

Run add_diff(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.footer(app.get_footer() + "\n\nThe exit status is 0 whether they differ or not; --json says \"same\".");
  app.add_option("A", options->first, "a model's directory")->required();
  app.add_option("B", options->second, "another's")->required();
  return [options](const Common& common) { return diff(*options, common); };
}

}  // namespace octet::cli
