#include "report/svg_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace octet::report {
namespace {

size_t points_of(const Series& s) {
  return std::min(s.x.size(), s.y.size());
}

/// Two points for every column of pixels, its lowest and its highest, keep the look of any number of points.
std::vector<size_t> thinned(const Series& s, const Plane& plane) {
  const size_t count = points_of(s);
  const auto columns = static_cast<size_t>(plane.right - plane.left);
  std::vector<size_t> kept;
  if (count <= 3 * columns) {
    for (size_t i = 0; i < count; ++i) kept.push_back(i);
    return kept;
  }
  for (size_t c = 0; c < columns; ++c) {
    const size_t begin = c * count / columns, end = (c + 1) * count / columns;
    size_t low = begin, high = begin;
    for (size_t i = begin; i < end; ++i) {
      if (!plane.y.shows(s.y[i]) || s.y[i] < s.y[low]) low = i;
      if (s.y[i] > s.y[high]) high = i;
    }
    kept.push_back(std::min(low, high));
    if (low != high) kept.push_back(std::max(low, high));
  }
  return kept;
}

std::string path_of(const Series& s, const Plane& plane) {
  std::string d;
  bool pen_down = false;
  for (const size_t i : thinned(s, plane)) {
    const bool shown = plane.x.shows(s.x[i]) && plane.y.shows(s.y[i]);
    if (shown) d += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', plane.x.at(s.x[i]), plane.y.at(s.y[i]));
    pen_down = shown;
  }
  return d;
}

constexpr size_t kMostMarkers = 24, kMostRows = 100;

bool has_names(const LinePlot& plot) {
  return !plot.series.empty() && !plot.series[0].names.empty();
}

std::string value_at(const LinePlot& plot, const Series& s, size_t i) {
  return i < s.y.size() && std::isfinite(s.y[i]) ? value_text(s.y[i], plot.y.unit) : "–";
}

// A column for each name, wherever in it the pointer rests.
void draw_hints(const LinePlot& plot, Plane& plane) {
  const Series& first = plot.series[0];
  for (size_t i = 0; i < std::min(first.names.size(), points_of(first)); ++i) {
    const double left = plane.x.at(first.x[i] - 0.5), right = plane.x.at(first.x[i] + 0.5);
    std::string hint = first.names[i];
    for (const Series& s : plot.series) hint += fmt::format("\n{}: {}", s.name, value_at(plot, s, i));
    plane.svg.rect(left, plane.top, right - left, plane.bottom - plane.top, "hover", hint);
  }
}

Table table_of_names(const LinePlot& plot) {
  Table table{{"module"}, {}};
  for (const Series& s : plot.series) table.heading.push_back(fmt::format("{}, {}", s.name, plot.y.label));
  for (size_t i = 0; i < plot.series[0].names.size(); ++i) {
    std::vector<std::string> row{plot.series[0].names[i]};
    for (const Series& s : plot.series) row.push_back(value_at(plot, s, i));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table table_of_points(const LinePlot& plot) {
  Table table{{"series", plot.x.label, plot.y.label}, {}};
  for (const Series& s : plot.series) {
    const size_t step = std::max<size_t>(1, points_of(s) * plot.series.size() / kMostRows);
    for (size_t i = 0; i < points_of(s); i += step) {
      table.rows.push_back({s.name, value_text(s.x[i], plot.x.unit), value_text(s.y[i], plot.y.unit)});
    }
  }
  return table;
}

}  // namespace

std::string LinePlot::svg(const Canvas& canvas) const {
  PlaneLayout layout{title, fmt::format("{} over {}, {} lines.", y.label, x.label, series.size()), x, y, {}, {}, {}};
  for (const Series& s : series) {
    layout.legend.push_back(s.name);
    for (size_t i = 0; i < points_of(s); ++i) {
      layout.x_range.add(s.x[i], x);
      layout.y_range.add(s.y[i], y);
    }
  }
  Plane plane = make_plane(layout, canvas);
  const bool named = has_names(*this);
  for (size_t k = 0; k < series.size(); ++k) {
    const Series& s = series[k];
    plane.svg.path(path_of(s, plane), series_class(k) + " stroke");
    if (points_of(s) > kMostMarkers) continue;
    for (size_t i = 0; i < points_of(s); ++i) {
      if (!plane.x.shows(s.x[i]) || !plane.y.shows(s.y[i])) continue;
      const std::string hint =
          named ? "" : fmt::format("{}: {}, {}", s.name, value_text(s.x[i], x.unit), value_text(s.y[i], y.unit));
      plane.svg.circle(plane.x.at(s.x[i]), plane.y.at(s.y[i]), 3, series_class(k) + " fill", hint);
    }
  }
  if (named) draw_hints(*this, plane);
  return plane.svg.finish();
}

Table LinePlot::table() const {
  return has_names(*this) ? table_of_names(*this) : table_of_points(*this);
}

}  // namespace octet::report
