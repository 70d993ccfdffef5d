#include "base/escape.h"
#include "report/html.h"
#include "report/svg_bar.h"
#include "report/svg_line.h"
#include "train/compare.h"

namespace octet::train {
namespace {

using namespace report;

constexpr size_t kPoints = 150;
constexpr size_t kMostTensors = 12;

// A page is not as wide as a terminal.
Table columns_of(const Table& table, std::initializer_list<size_t> columns) {
  Table part;
  part.rows.resize(table.rows.size());
  for (const size_t c : columns) {
    part.heading.push_back(table.heading[c]);
    for (size_t r = 0; r < table.rows.size(); ++r) part.rows[r].push_back(table.rows[r][c]);
  }
  return part;
}

// Means over equal stretches of the steps, so that thousands of noisy points become a line.
Series smoothed(const std::string& name, const Curve& curve, double last_step) {
  Series series{name, {}, {}};
  if (curve.values.size() <= kPoints) return {name, curve.steps, curve.values};
  const double width = last_step / kPoints;
  size_t i = 0;
  for (size_t stretch = 1; stretch <= kPoints; ++stretch) {
    double sum = 0, count = 0;
    for (; i < curve.steps.size() && curve.steps[i] <= width * static_cast<double>(stretch); ++i, ++count) {
      sum += curve.values[i];
    }
    if (count == 0) continue;
    series.x.push_back(width * (static_cast<double>(stretch) - 0.5));
    series.y.push_back(sum / count);
  }
  return series;
}

double last_step_of(std::span<const RunCurves> runs) {
  double last = 0;
  for (const RunCurves& run : runs) last = std::max(last, run["train/loss"].steps.back());
  return last;
}

std::vector<Series> series_of(std::span<const RunCurves> runs, const std::string& tag) {
  std::vector<Series> series;
  for (const RunCurves& run : runs) {
    if (!run[tag].values.empty()) series.push_back(smoothed(run.name, run[tag], last_step_of(runs)));
  }
  return series;
}

// In percent of the first run, where both have a step. The first one is a line at zero, and every run keeps its colour.
std::vector<Series> gaps_of(std::span<const RunCurves> runs, const std::string& tag) {
  std::vector<Series> gaps;
  bool any = false;
  for (const RunCurves& run : runs) {
    const Curve gap = gap_of(run, runs[0], tag);
    gaps.push_back(smoothed(run.name, gap, last_step_of(runs)));
    any = any || (&run != &runs[0] && !gap.values.empty());
  }
  if (!any) gaps.clear();
  return gaps;
}

void add_lines(Page& page, const char* title, const char* label, std::vector<Series> series,
               const std::string& note = "", bool log = false) {
  if (series.empty()) return;
  page.figure(LinePlot{title, {"step"}, {label, Unit::number, log}, std::move(series)}, note);
}

std::string against(const RunCurves& first) {
  return "Against " + first.name + ", the first run. Above zero is worse.";
}

void add_losses(Page& page, std::span<const RunCurves> runs) {
  page.heading("Loss");
  const auto training = series_of(runs, "train/loss"), validation = series_of(runs, "validation/loss");
  add_lines(page, "Validation loss", "loss, nats", validation);
  add_lines(page, "Gap of the validation loss", "gap, %", gaps_of(runs, "validation/loss"), against(runs[0]));
  add_lines(page, "Training loss", "loss, nats", training, "Means over stretches of the steps.");
  add_lines(page, "Gap of the training loss", "gap, %", gaps_of(runs, "train/loss"), against(runs[0]));
}

double mean_of_values(const Curve& curve) {
  double sum = 0;
  for (const double value : curve.values) sum += value;
  return sum / static_cast<double>(curve.values.size());
}

// The tensors of a run by the mean share over its steps, the largest first.
std::vector<std::pair<double, std::string>> shares_of(const RunCurves& run, const std::string& prefix) {
  std::vector<std::pair<double, std::string>> shares;
  for (const auto& [tag, curve] : run.curves) {
    if (tag.compare(0, prefix.size(), prefix) == 0)
      shares.emplace_back(mean_of_values(curve), tag.substr(prefix.size()));
  }
  std::sort(shares.begin(), shares.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  return shares;
}

void add_range(Page& page, const RunCurves& run, const std::string& prefix, const std::string& what) {
  auto shares = shares_of(run, prefix);
  if (shares.empty()) return;
  const size_t tensors = shares.size();
  const auto none = std::find_if(shares.begin(), shares.end(), [](const auto& share) { return share.first == 0; });
  shares.erase(none, shares.end());
  if (shares.empty()) {
    page.paragraph(fmt::format("{}: of {} tensors none {}.", run.name, tensors, what));
    return;
  }
  const std::string note =
      fmt::format("{} of {} tensors; {} the largest shares, means over the steps watched.", shares.size(), tensors,
                  shares.size() > kMostTensors ? "shown are" : "below are");
  if (shares.size() > kMostTensors) shares.resize(kMostTensors);
  BarPlot plot{fmt::format("{}: what {}", run.name, what), {"share of the tensor's values", Unit::percent}, {}, {}};
  plot.series.push_back({run.name, {}});
  for (const auto& [share, name] : shares) {
    plot.groups.push_back(name);
    plot.series[0].values.push_back(share);
  }
  page.figure(plot, note);
}

// A figure a run: what one run had no format for, another did not watch.
void add_ranges(Page& page, std::span<const RunCurves> runs) {
  const bool any = std::any_of(runs.begin(), runs.end(), [](const RunCurves& run) {
    return !shares_of(run, "overflow/").empty() || !shares_of(run, "underflow/").empty();
  });
  if (!any) return;
  page.heading("What did not fit the format");
  page.paragraph(
      "Of each linear layer its input (x), its weight (w) and the gradient of its result (dy). Overflowed: larger than "
      "the largest value, which it became. Underflowed: not zero, and became zero.");
  for (const RunCurves& run : runs) {
    add_range(page, run, "overflow/", "overflowed");
    add_range(page, run, "underflow/", "underflowed");
  }
}

}  // namespace

std::string comparison_report(std::span<const RunCurves> runs) {
  std::string names = runs[0].name;
  for (size_t i = 1; i < runs.size(); ++i) names += ", " + runs[i].name;
  Page page(runs.size() == 1 ? "A training run" : fmt::format("{} training runs", runs.size()), names);
  const Table table = comparison_table(runs);
  page.table(columns_of(table, {0, 1, 2, 3, 4, 5}),
             "Loss: mean over the last twentieth of the steps. Gaps are those of the training loss to the first run's, "
             "step by step: over all steps, and over the last twentieth.");
  add_losses(page, runs);
  page.heading("Course");
  page.table(columns_of(table, {0, 6, 7, 8}), "Best: the lowest validation loss. Tokens/s: median.");
  add_lines(page, "Learning rate", "learning rate", series_of(runs, "train/learning_rate"));
  add_lines(page, "Norm of the gradient", "norm, before clipping", series_of(runs, "train/gradient_norm"), "", true);
  add_lines(page, "Speed", "tokens/s", series_of(runs, "train/tokens_per_second"));
  add_ranges(page, runs);
  return page.html();
}

}  // namespace octet::train
