#include "report/svg_scatter.h"

#include <fmt/format.h>

#include <algorithm>

namespace octet::report {
namespace {

constexpr size_t kMostPoints = 4000, kMostRows = 100;

size_t points_of(const Series& s) {
  return std::min(s.x.size(), s.y.size());
}

/// Names beside points, each in the first of six places where it runs into no name written before.
class Labels {
 public:
  void write(Plane& plane, double x, double y, const std::string& name) {
    const double width = text_width(name);
    Box box{};
    Anchor anchor = Anchor::start;
    for (const double down : {-7.0, 17.0, 31.0}) {
      for (const Anchor side : {Anchor::start, Anchor::end}) {
        const double left = side == Anchor::start ? x + 8 : x - 8 - width;
        if (left < plane.left || left + width > plane.right + 10) continue;
        box = {left, y + down - 11, left + width, y + down + 3};
        anchor = side;
        if (box.bottom < plane.bottom + 2 && is_free(box)) return put(plane, box, anchor, name);
      }
    }
    if (box.right > box.left) put(plane, box, anchor, name);
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
  void put(Plane& plane, const Box& box, Anchor anchor, const std::string& name) {
    plane.svg.text(anchor == Anchor::start ? box.left : box.right, box.bottom - 3, anchor, "value", name);
    taken_.push_back(box);
  }
  std::vector<Box> taken_;
};

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
  Labels labels;
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
      if (named) labels.write(plane, px, py, name);
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
