#include "report/svg_scatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace octet::report {
namespace {

constexpr size_t kMostPoints = 4000, kMostRows = 100, kFewPoints = 60;
constexpr double kRadius = 5;

size_t points_of(const Series& s) {
  return std::min(s.x.size(), s.y.size());
}

std::string name_of(const Series& s, size_t i) {
  return i < s.names.size() ? s.names[i] : s.name;
}

/// What is drawn already, and texts that run into none of it.
class Labels {
 public:
  explicit Labels(Plane& plane) : plane_(plane) {}

  void avoid(double left, double top, double right, double bottom) { taken_.push_back({left, top, right, bottom}); }

  /// False where there is no room.
  bool write(double x, double y, Anchor anchor, std::string_view text) {
    const double width = text_width(text), left = anchor == Anchor::start ? x : x - width;
    const Box box{left, y - 11, left + width, y + 3};
    if (box.left < plane_.left || box.right > plane_.right + 10) return false;
    if (box.top < plane_.top - 18 || box.bottom > plane_.bottom + 2 || !is_free(box)) return false;
    plane_.svg.text(x, y, anchor, "value", text);
    taken_.push_back(box);
    return true;
  }

  /// Beside a point.
  void name(double x, double y, const std::string& text) {
    for (const double down : {-7.0, 17.0}) {
      if (write(x + 8, y + down, Anchor::start, text) || write(x - 8, y + down, Anchor::end, text)) return;
    }
  }

 private:
  struct Box {
    double left, top, right, bottom;
  };
  bool is_free(const Box& box) const {
    return std::none_of(taken_.begin(), taken_.end(), [&](const Box& other) {
      return box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom;
    });
  }
  Plane& plane_;
  std::vector<Box> taken_;
};

// The bounds that an axis can show without pressing the points together, and its range with them.
std::vector<ScatterPlot::Bound> near(const std::vector<ScatterPlot::Bound>& bounds, const Axis& axis, Range& range) {
  const auto along = [&](double value) { return axis.log ? std::log(value) : value; };
  const Range points = range;
  std::vector<ScatterPlot::Bound> shown;
  for (const ScatterPlot::Bound& bound : bounds) {
    if (points.empty || !std::isfinite(along(bound.value))) continue;
    const double span = along(points.high) - along(points.low), value = along(bound.value);
    if (value < along(points.low) - span || value > along(points.high) + span) continue;
    range.add(bound.value, axis);
    shown.push_back(bound);
  }
  return shown;
}

void draw_bounds(Plane& plane, Labels& labels, const std::vector<ScatterPlot::Bound>& of_x,
                 const std::vector<ScatterPlot::Bound>& of_y) {
  for (const auto& bound : of_x) {
    const double x = plane.x.at(bound.value);
    plane.svg.line(x, plane.top, x, plane.bottom, "bound");
    labels.avoid(x - 1, plane.top, x + 1, plane.bottom);
  }
  for (const auto& bound : of_y) {
    const double y = plane.y.at(bound.value);
    plane.svg.line(plane.left, y, plane.right, y, "bound");
    labels.avoid(plane.left, y - 1, plane.right, y + 1);
  }
  for (const auto& bound : of_x) {
    const double x = plane.x.at(bound.value);
    for (const double y : {plane.top + 12, plane.bottom - 8, (plane.top + plane.bottom) / 2}) {
      if (labels.write(x - 6, y, Anchor::end, bound.name) || labels.write(x + 6, y, Anchor::start, bound.name)) break;
    }
  }
  for (const auto& bound : of_y) {
    const double y = plane.y.at(bound.value);
    for (const double down : {-6.0, 15.0}) {
      if (labels.write(plane.right, y + down, Anchor::end, bound.name)) break;
      if (labels.write(plane.left + 6, y + down, Anchor::start, bound.name)) break;
    }
  }
}

void draw_points(const ScatterPlot& plot, Plane& plane, Labels& labels) {
  for (size_t k = 0; k < plot.series.size(); ++k) {
    const Series& s = plot.series[k];
    // Thousands of points only cover each other.
    const size_t step = std::max<size_t>(1, points_of(s) / kMostPoints);
    const bool few = points_of(s) <= kFewPoints;
    for (size_t i = 0; i < points_of(s); i += step) {
      if (!plane.x.shows(s.x[i]) || !plane.y.shows(s.y[i])) continue;
      const double px = plane.x.at(s.x[i]), py = plane.y.at(s.y[i]);
      const std::string hint = few ? fmt::format("{}: {}, {}", name_of(s, i), value_text(s.x[i], plot.x.unit),
                                                 value_text(s.y[i], plot.y.unit))
                                   : "";
      plane.svg.circle(px, py, few ? kRadius : 2.5, series_class(k) + (few ? " fill" : " faint"), hint);
      // A name so near would be taken for this point's.
      if (few) labels.avoid(px - 8, py - 12, px + 8, py + 12);
    }
  }
}

void draw_names(const ScatterPlot& plot, const Plane& plane, Labels& labels) {
  for (const Series& s : plot.series) {
    for (size_t i = 0; i < std::min(points_of(s), s.names.size()); ++i) {
      if (plane.x.shows(s.x[i]) && plane.y.shows(s.y[i])) {
        labels.name(plane.x.at(s.x[i]), plane.y.at(s.y[i]), s.names[i]);
      }
    }
  }
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
  const auto of_x = near(x_bounds, x, layout.x_range), of_y = near(y_bounds, y, layout.y_range);
  Plane plane = make_plane(layout, canvas);
  Labels labels(plane);
  labels.avoid(0, 0, 2 + text_width(y.label), plane.top - 8);
  draw_points(*this, plane, labels);
  draw_bounds(plane, labels, of_x, of_y);
  draw_names(*this, plane, labels);
  return plane.svg.finish();
}

Table ScatterPlot::table() const {
  Table table{{"point", x.label, y.label}, {}};
  for (const Series& s : series) {
    const size_t step = std::max<size_t>(1, points_of(s) * series.size() / kMostRows);
    for (size_t i = 0; i < points_of(s); i += step) {
      table.rows.push_back({name_of(s, i), value_text(s.x[i], x.unit), value_text(s.y[i], y.unit)});
    }
  }
  return table;
}

}  // namespace octet::report
