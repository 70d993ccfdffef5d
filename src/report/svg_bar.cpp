#include "report/svg_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace octet::report {
namespace {

constexpr double kBar = 18, kBetweenBars = 3, kBetweenGroups = 14;

double value_of(const BarPlot::Bars& bars, size_t group) {
  return group < bars.values.size() ? bars.values[group] : NAN;
}

// Names stand above their bars where there is no room beside them.
double name_column(const BarPlot& plot, int width) {
  double column = 0;
  for (const auto& name : plot.groups) column = std::max(column, text_width(name) + 10);
  return column > width * 0.33 ? 0 : column;
}

}  // namespace

std::string BarPlot::svg(const Canvas& canvas) const {
  std::vector<std::string> names;
  Range range;
  double label = 0;
  Axis axis = value;
  axis.from_zero = true;
  axis.log = false;
  for (const Bars& bars : series) {
    names.push_back(bars.name);
    for (size_t g = 0; g < groups.size(); ++g) {
      range.add(value_of(bars, g), axis);
      label = std::max(label, text_width(value_text(value_of(bars, g), value.unit)));
    }
  }
  const double column = name_column(*this, canvas.width), above = column > 0 ? 0 : 17;
  const double group_height = static_cast<double>(series.size()) * (kBar + kBetweenBars) + above + kBetweenGroups;
  const double top = legend_height(names, canvas.width) + (value.label.empty() ? 6 : 24);
  const double height = top + static_cast<double>(groups.size()) * group_height;
  const double reach = std::max(range.high, -range.low);
  const double room = canvas.width - column - label - 12;
  // Negative bars grow to the left from a zero in the middle of the room.
  const double zero =
      range.low < 0 ? column + label + (room - label) * (-range.low) / (std::max(range.high, 0.0) - range.low) : column;
  const double unit =
      reach > 0 ? (range.low < 0 ? (room - label) / (std::max(range.high, 0.0) - range.low) : room / reach) : 0;

  Svg svg(canvas, height, title, fmt::format("Bars of {} for {} rows.", value.label, groups.size()));
  draw_legend(svg, names, canvas.width, 0);
  if (!value.label.empty()) svg.text(2, top - 10, Anchor::start, "label", value.label);
  for (size_t g = 0; g < groups.size(); ++g) {
    double y = top + static_cast<double>(g) * group_height;
    const double middle = y + (group_height - kBetweenGroups) / 2 + 3;
    column > 0 ? svg.text(column - 8, middle, Anchor::end, "value", groups[g])
               : svg.text(2, y + 11, Anchor::start, "value", groups[g]);
    y += above;
    svg.line(zero, y - 2, zero, y + group_height - above - kBetweenGroups, "axis");
    for (size_t k = 0; k < series.size(); ++k, y += kBar + kBetweenBars) {
      const double v = value_of(series[k], g);
      const std::string text = std::isnan(v) ? "–" : value_text(v, value.unit);
      const double length = std::isfinite(v) ? std::abs(v) * unit : 0;
      const bool backwards = v < 0;
      svg.rect(backwards ? zero - length : zero, y, length, kBar, series_class(series.size() > 1 ? k : 0) + " fill",
               fmt::format("{}, {}: {}", groups[g], series[k].name, text));
      backwards ? svg.text(zero - length - 5, y + 13, Anchor::end, "value", text)
                : svg.text(zero + length + 5, y + 13, Anchor::start, "value", text);
    }
  }
  return svg.finish();
}

Table BarPlot::table() const {
  Table table{{""}, {}};
  for (const Bars& bars : series) table.heading.push_back(bars.name);
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<std::string> row{groups[g]};
    for (const Bars& bars : series) row.push_back(value_text(value_of(bars, g), value.unit));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace octet::report
