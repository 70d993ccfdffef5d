#include "report/svg_histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace octet::report {
namespace {

struct Bins {
  std::vector<double> edges;                // bins + 1
  std::vector<std::vector<double>> counts;  // [series][bin]
};

Bins count(const Histogram& plot) {
  Range range;
  for (const auto& s : plot.series) {
    for (const double v : s.values) range.add(v, plot.value);
  }
  const bool log = plot.value.log;
  const auto along = [log](double v) { return log ? std::log(v) : v; };
  const int bins = std::clamp(plot.bins, 1, 400);
  double low = range.empty ? along(1) : along(range.low), high = range.empty ? along(2) : along(range.high);
  if (!(high > low)) {
    low -= 0.5;
    high += 0.5;
  }
  Bins result;
  for (int i = 0; i <= bins; ++i) {
    const double edge = low + (high - low) * i / bins;
    result.edges.push_back(log ? std::exp(edge) : edge);
  }
  for (const auto& s : plot.series) {
    std::vector<double> counts(static_cast<size_t>(bins));
    for (const double v : s.values) {
      if (!std::isfinite(v) || (log && v <= 0)) continue;
      const int bin = static_cast<int>((along(v) - low) / (high - low) * bins);
      ++counts[static_cast<size_t>(std::clamp(bin, 0, bins - 1))];
    }
    result.counts.push_back(std::move(counts));
  }
  return result;
}

}  // namespace

std::string Histogram::svg(const Canvas& canvas) const {
  const Bins bins = count(*this);
  const Axis counts{count_label, Unit::number, log_count, !log_count};
  PlaneLayout layout{title, fmt::format("How often {} has which value.", value.label), value, counts, {}, {}, {}};
  for (const double edge : bins.edges) layout.x_range.add(edge, value);
  for (const double mark : grid) layout.x_range.add(mark, value);
  for (size_t k = 0; k < series.size(); ++k) {
    layout.legend.push_back(series[k].name);
    for (const double c : bins.counts[k]) layout.y_range.add(c, counts);
  }
  if (log_count) layout.y_range.add(1, counts);
  Plane plane = make_plane(layout, canvas);
  for (size_t k = 0; k < series.size(); ++k) {
    for (size_t i = 0; i + 1 < bins.edges.size(); ++i) {
      const double c = bins.counts[k][i];
      if (c <= 0) continue;
      const double left = plane.x.at(bins.edges[i]), right = plane.x.at(bins.edges[i + 1]);
      // On a log scale one value alone must still be seen.
      const double y = std::min(plane.y.at(c), plane.bottom - 1.5);
      plane.svg.rect(left, y, right - left - 1, plane.bottom - y,
                     series_class(k) + (series.size() > 1 ? " faint" : " fill"),
                     fmt::format("{} to {}: {:.0f}", value_text(bins.edges[i], value.unit),
                                 value_text(bins.edges[i + 1], value.unit), c));
    }
  }
  for (const double mark : grid) {
    if (!plane.x.shows(mark)) continue;
    plane.svg.line(plane.x.at(mark), plane.bottom + 1, plane.x.at(mark), plane.bottom + 6, "code");
  }
  return plane.svg.finish();
}

Table Histogram::table() const {
  const Bins bins = count(*this);
  Table table{{"from", "to"}, {}};
  for (const auto& s : series) table.heading.push_back(s.name.empty() ? count_label : s.name);
  for (size_t i = 0; i + 1 < bins.edges.size(); ++i) {
    std::vector<std::string> row{value_text(bins.edges[i], value.unit), value_text(bins.edges[i + 1], value.unit)};
    for (const auto& counts : bins.counts) row.push_back(fmt::format("{:.0f}", counts[i]));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace octet::report
