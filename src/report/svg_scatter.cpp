#include "report/svg_scatter.h"

#include <fmt/format.h>

#include <algorithm>

namespace octet::report {
namespace {

constexpr size_t kMostPoints = 4000, kMostRows = 100;

size_t points_of(const Series& s) {
  return std::min(s.x.size(), s.y.size());
}

}  // namespace

std::string ScatterPlot::svg(const Canvas& canvas) const {
  PlaneLayout layout{title, fmt::format("{} against {}.", y.label, x.label), x, y, {}, {}, {}};
  for (const Series& s : series) {
    layout.legend.push_back(s.name);
    for (size_t i = 0; i < points_of(s); ++i) {
      layout.x_range.add(s.x[i], x);
      layout.y_range.add(s.y[i], y);
    }
  }
  Plane plane = make_plane(layout, canvas);
  for (size_t k = 0; k < series.size(); ++k) {
    const Series& s = series[k];
    // Thousands of points only cover each other.
    const size_t step = std::max<size_t>(1, points_of(s) / kMostPoints);
    const bool few = points_of(s) <= 60;
    for (size_t i = 0; i < points_of(s); i += step) {
      if (!plane.x.shows(s.x[i]) || !plane.y.shows(s.y[i])) continue;
      const double px = plane.x.at(s.x[i]), py = plane.y.at(s.y[i]);
      const bool named = k == 0 && i < point_names.size();
      const std::string name = named ? point_names[i] : s.name;
      const std::string hint =
          few ? fmt::format("{}: {}, {}", name, value_text(s.x[i], x.unit), value_text(s.y[i], y.unit)) : "";
      plane.svg.circle(px, py, few ? 5 : 2.5, series_class(k) + (few ? " fill" : " faint"), hint);
      if (!named) continue;
      const bool to_the_left = px + 9 + text_width(name) > plane.right;
      plane.svg.text(px + (to_the_left ? -9 : 9), py - 7, to_the_left ? Anchor::end : Anchor::start, "value", name);
    }
  }
  return plane.svg.finish();
}

Table ScatterPlot::table() const {
  Table table{{"point", x.label, y.label}, {}};
  for (size_t k = 0; k < series.size(); ++k) {
    const Series& s = series[k];
    const size_t step = std::max<size_t>(1, points_of(s) * series.size() / kMostRows);
    for (size_t i = 0; i < points_of(s); i += step) {
      const std::string name = k == 0 && i < point_names.size() ? point_names[i] : s.name;
      table.rows.push_back({name, value_text(s.x[i], x.unit), value_text(s.y[i], y.unit)});
    }
  }
  return table;
}

}  // namespace octet::report
