#include "train/compare.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/units.h"
#include "train/log.h"

namespace octet::train {
namespace {

constexpr size_t kMostRuns = 6;  // as many colours can be told apart
constexpr double kPause = 3600;  // seconds between two records in which nothing was done

// Directory names, with as many parents as tell them apart.
std::vector<std::string> short_names(std::span<const std::filesystem::path> directories) {
  std::vector<std::filesystem::path> full;
  for (const auto& directory : directories) {
    auto path = std::filesystem::weakly_canonical(directory);
    full.push_back(path.has_filename() ? path : path.parent_path());
  }
  for (int depth = 1;; ++depth) {
    std::vector<std::string> names;
    bool whole = true;
    for (const auto& path : full) {
      std::filesystem::path name, rest = path;
      for (int i = 0; i < depth && rest.has_filename(); ++i, rest = rest.parent_path()) {
        name = name.empty() ? rest.filename() : rest.filename() / name;
      }
      whole = whole && !rest.has_filename();
      names.push_back(printable((rest.has_filename() ? name : path).string(), 60));
    }
    auto sorted = names;
    std::sort(sorted.begin(), sorted.end());
    if (whole || std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) return names;
  }
}

RunCurves read_run(const std::filesystem::path& directory, std::string name) {
  if (!std::filesystem::exists(directory / "metrics.csv")) {
    fail("{}: is no directory of a training run: it has no metrics.csv", printable(directory.string()));
  }
  RunCurves run{.name = std::move(name), .curves = {}};
  double before = 0;
  for (const LoggedScalar& row : read_metrics(directory)) {
    Curve& curve = run.curves[row.tag];
    curve.steps.push_back(static_cast<double>(row.step));
    curve.values.push_back(row.value);
    const double passed = row.wall_time - before;
    if (before > 0 && passed > 0 && passed < kPause) run.seconds += passed;
    before = row.wall_time;
  }
  if (run["train/loss"].values.empty()) {
    fail("{}: has no step with a loss yet", printable((directory / "metrics.csv").string()));
  }
  return run;
}

double last(const Curve& curve) {
  return curve.values.empty() ? std::nan("") : curve.values.back();
}

/// Of a run that is quantized on its way the last steps have no loss.
double last_step(const RunCurves& run) {
  double step = 0;
  for (const auto& [tag, curve] : run.curves) step = std::max(step, curve.steps.back());
  return step;
}

double lowest(const Curve& curve) {
  double least = std::nan("");
  for (const double value : curve.values) {
    if (!(least <= value) && std::isfinite(value)) least = value;
  }
  return least;
}

double median(std::vector<double> values) {
  if (values.empty()) return std::nan("");
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string loss_text(double value) {
  return std::isnan(value) ? "–" : fmt::format("{:.4f}", value);
}

std::string gap_text(double percent, bool is_first) {
  return is_first || !std::isfinite(percent) ? "–" : fmt::format("{:+.3f} %", percent);
}

// "2.0615 (+0.097 %)", the gap to the first run at the same step.
std::string with_gap(const RunCurves& run, const RunCurves& first, const std::string& tag) {
  const std::string loss = loss_text(last(run[tag]));
  const double gap = last(gap_of(run, first, tag));
  return &run == &first || !std::isfinite(gap) || !std::isfinite(last(first[tag]))
             ? loss
             : fmt::format("{} ({:+.3f} %)", loss, gap);
}

}  // namespace

const Curve& RunCurves::operator[](const std::string& tag) const {
  static const Curve kNone;
  const auto found = curves.find(tag);
  return found == curves.end() ? kNone : found->second;
}

double RunCurves::final_loss() const {
  const Curve& loss = (*this)["train/loss"];
  const double from = 0.95 * loss.steps.back();
  double sum = 0, count = 0;
  for (size_t i = loss.steps.size(); i-- > 0 && (count == 0 || loss.steps[i] > from);) {
    sum += loss.values[i];
    ++count;
  }
  return sum / count;
}

std::vector<RunCurves> read_runs(std::span<const std::filesystem::path> directories) {
  if (directories.empty()) fail("there is no run to compare; give the output directories of runs");
  if (directories.size() > kMostRuns) {
    fail("{} runs are more than the {} that can be told apart; compare fewer", directories.size(), kMostRuns);
  }
  const auto names = short_names(directories);
  std::vector<RunCurves> runs;
  for (size_t i = 0; i < directories.size(); ++i) runs.push_back(read_run(directories[i], names[i]));
  return runs;
}

Curve gap_of(const RunCurves& run, const RunCurves& reference, const std::string& tag) {
  const Curve &curve = run[tag], &other = reference[tag];
  Curve gap;
  size_t j = 0;
  for (size_t i = 0; i < curve.steps.size(); ++i) {
    while (j < other.steps.size() && other.steps[j] < curve.steps[i]) ++j;
    if (j == other.steps.size() || other.steps[j] != curve.steps[i]) continue;
    gap.steps.push_back(curve.steps[i]);
    gap.values.push_back(100 * (curve.values[i] / other.values[j] - 1));
  }
  return gap;
}

MeanGap mean_of(const Curve& gap) {
  if (gap.values.empty()) return {std::nan(""), std::nan("")};
  const double from = 0.95 * gap.steps.back();
  double all = 0, end = 0, at_end = 0;
  for (size_t i = 0; i < gap.values.size(); ++i) {
    all += gap.values[i];
    if (gap.steps[i] <= from && i + 1 < gap.values.size()) continue;
    end += gap.values[i];
    ++at_end;
  }
  return {all / static_cast<double>(gap.values.size()), end / at_end};
}

report::Table comparison_table(std::span<const RunCurves> runs) {
  report::Table table{{"run", "steps", "loss", "mean gap", "gap at the end", "validation", "best", "tokens/s", "time"},
                      {}};
  const RunCurves& first = runs[0];
  for (const RunCurves& run : runs) {
    const bool is_first = &run == &first;
    const double speed = median(run["train/tokens_per_second"].values);
    const MeanGap gap = mean_of(gap_of(run, first, "train/loss"));
    table.rows.push_back({run.name, fmt::format("{:.0f}", last_step(run)), loss_text(run.final_loss()),
                          gap_text(gap.whole, is_first), gap_text(gap.end, is_first),
                          with_gap(run, first, "validation/loss"), loss_text(lowest(run["validation/loss"])),
                          std::isnan(speed) ? "–" : fmt::format("{:.0f}", speed), human_seconds(run.seconds)});
  }
  return table;
}

}  // namespace octet::train
