#include "base/escape.h"
#include "report/html.h"
#include "report/svg_bar.h"
#include "report/svg_line.h"
#include "train/compare.h"

namespace octet::train {
namespace {

using namespace report;

constexpr size_t kPoints = 150;
constexpr size_t kMostTensors = 40;

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

// In percent of the first series, where both have a point. The first one is a line at zero, and every run keeps its
// colour.
std::vector<Series> gaps_of(const std::vector<Series>& series) {
  if (series.size() < 2) return {};
  std::vector<Series> gaps = {{series[0].name, series[0].x, std::vector<double>(series[0].x.size(), 0.0)}};
  std::map<double, double> reference;
  for (size_t i = 0; i < series[0].x.size(); ++i) reference[series[0].x[i]] = series[0].y[i];
  for (size_t s = 1; s < series.size(); ++s) {
    Series gap{series[s].name, {}, {}};
    for (size_t i = 0; i < series[s].x.size(); ++i) {
      const auto found = reference.find(series[s].x[i]);
      if (found == reference.end()) continue;
      gap.x.push_back(series[s].x[i]);
      gap.y.push_back(100 * (series[s].y[i] / found->second - 1));
    }
    gaps.push_back(std::move(gap));
  }
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
  add_lines(page, "Gap of the validation loss", "gap, %", gaps_of(validation), against(runs[0]));
  add_lines(page, "Training loss", "loss, nats", training, "Means over stretches of the steps.");
  add_lines(page, "Gap of the training loss", "gap, %", gaps_of(training), against(runs[0]));
}

struct Tensors {
  std::vector<std::string> names;
  std::vector<BarPlot::Bars> shares;  // a run each, the mean over the steps
};

Tensors tensors_of(std::span<const RunCurves> runs, const std::string& prefix) {
  std::map<std::string, double> largest;
  const auto mean = [](const Curve& curve) {
    double sum = 0;
    for (const double value : curve.values) sum += value;
    return curve.values.empty() ? 0 : sum / static_cast<double>(curve.values.size());
  };
  for (const RunCurves& run : runs) {
    for (const auto& [tag, curve] : run.curves) {
      if (tag.compare(0, prefix.size(), prefix) != 0) continue;
      double& share = largest[tag.substr(prefix.size())];
      share = std::max(share, mean(curve));
    }
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [name, share] : largest) order.emplace_back(-share, name);
  std::sort(order.begin(), order.end());
  if (order.size() > kMostTensors) order.resize(kMostTensors);
  Tensors tensors;
  for (const auto& [share, name] : order) tensors.names.push_back(name);
  for (const RunCurves& run : runs) {
    BarPlot::Bars bars{run.name, {}};
    for (const std::string& name : tensors.names) bars.values.push_back(mean(run[prefix + name]));
    tensors.shares.push_back(std::move(bars));
  }
  return tensors;
}

void add_ranges(Page& page, std::span<const RunCurves> runs) {
  const std::pair<const char*, const char*> kinds[] = {{"overflow/", "Values that overflowed"},
                                                       {"underflow/", "Values that underflowed"}};
  bool first = true;
  for (const auto& [prefix, title] : kinds) {
    Tensors tensors = tensors_of(runs, prefix);
    if (tensors.names.empty()) continue;
    if (std::exchange(first, false)) page.heading("What did not fit the format");
    page.figure(BarPlot{title, {"share of all values", Unit::percent}, tensors.names, tensors.shares},
                "Mean over the steps that were watched; the tensors with the largest shares.");
  }
}

}  // namespace

std::string comparison_report(std::span<const RunCurves> runs) {
  std::string names = runs[0].name;
  for (size_t i = 1; i < runs.size(); ++i) names += ", " + runs[i].name;
  Page page(runs.size() == 1 ? "A training run" : fmt::format("{} training runs", runs.size()), names);
  page.table(comparison_table(runs),
             "Loss: mean over the last twentieth of the steps. In brackets: the gap to the first run. Best: the lowest "
             "validation loss. Tokens/s: median.");
  add_losses(page, runs);
  page.heading("Course");
  add_lines(page, "Learning rate", "learning rate", series_of(runs, "train/learning_rate"));
  add_lines(page, "Norm of the gradient", "norm, before clipping", series_of(runs, "train/gradient_norm"), "", true);
  add_lines(page, "Speed", "tokens/s", series_of(runs, "train/tokens_per_second"));
  add_ranges(page, runs);
  return page.html();
}

}  // namespace octet::train
