#include "cli/train_compare.h"

#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/escape.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/terminal.h"
#include "cli/output.h"
#include "report/text_table.h"
#include "train/compare.h"

namespace octet::cli {
namespace {

Json last_of(const train::Curve& curve) {
  return curve.values.empty() ? Json(nullptr) : Json(curve.values.back());
}

Json number_or_null(double x) {
  return std::isfinite(x) ? Json(x) : Json(nullptr);
}

Json json_of(const std::vector<train::RunCurves>& runs) {
  Json list = Json::array();
  for (const train::RunCurves& run : runs) {
    const train::MeanGap gap = train::mean_of(train::gap_of(run, runs[0], "train/loss"));
    list.push_back({{"name", run.name},
                    {"steps", static_cast<int64_t>(run["train/loss"].steps.back())},
                    {"loss", run.final_loss()},
                    {"mean_gap_percent", number_or_null(gap.whole)},
                    {"end_gap_percent", number_or_null(gap.end)},
                    {"validation_loss", last_of(run["validation/loss"])},
                    {"seconds", run.seconds}});
  }
  return list;
}

}  // namespace

int compare_runs(const std::vector<std::string>& runs, const std::string& page, const Common& common) {
  const auto curves = train::read_runs(std::vector<std::filesystem::path>(runs.begin(), runs.end()));
  if (!page.empty()) {
    write_file_atomically(page, train::comparison_report(curves));
    print_notice(fmt::format("{}: open it in a browser", printable(page)));
  }
  if (common.json) {
    print_json({{"runs", json_of(curves)}});
    return 0;
  }
  const report::Table table = train::comparison_table(curves);
  report::TextTable text(table.heading);
  for (const auto& row : table.rows) text.add(row);
  print(text.text(Paint(STDOUT_FILENO)));
  return 0;
}

}  // namespace octet::cli
