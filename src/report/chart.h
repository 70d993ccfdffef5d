#pragma once
#include <string>
#include <vector>

#include "report/svg.h"
#include "report/ticks.h"

namespace octet::report {

/// Points in order; values that are not finite leave a gap.
struct Series {
  std::string name;
  std::vector<double> x, y;
  std::vector<std::string> names;  // one a point, or none
};

/// The span of values that an axis has to show.
struct Range {
  double low = 0, high = 0;
  bool empty = true;
  void add(double value, const Axis& axis);
};

/// From values to pixels along one axis, with its ticks.
class Scale {
 public:
  Scale(const Axis& axis, Range range, int tick_count);
  void place(double from, double to);
  double at(double value) const;
  bool shows(double value) const;
  const std::vector<double>& ticks() const { return ticks_; }
  const std::vector<std::string>& texts() const { return texts_; }

 private:
  double along(double value) const;
  bool log_;
  double low_ = 0, high_ = 1;  // along the axis
  std::vector<double> ticks_;
  std::vector<std::string> texts_;
  double from_ = 0, to_ = 1;
};

/// The rectangle marks are drawn into, with y growing upwards: legend above, axes with grid, ticks and labels around.
struct Plane {
  Svg svg;
  Scale x, y;
  double left, right, top, bottom;
};

struct PlaneLayout {
  std::string title, description;
  Axis x, y;
  Range x_range, y_range;
  std::vector<std::string> legend;  // names of series; fewer than two: no legend
};

Plane make_plane(const PlaneLayout& layout, const Canvas& canvas);

/// Draws names with their colours in rows that fit, and returns the height it took.
double draw_legend(Svg& svg, const std::vector<std::string>& names, double width, double top);

/// How high draw_legend will be.
double legend_height(const std::vector<std::string>& names, double width);

/// The class of a series' colour.
std::string series_class(size_t index);

}  // namespace octet::report
