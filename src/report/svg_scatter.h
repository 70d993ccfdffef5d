#pragma once
#include "report/chart.h"
#include "report/table.h"

namespace octet::report {

/// A point a pair of values. Names of points are written beside them where they run into nothing; hints and the table
/// have them all.
struct ScatterPlot {
  struct Bound {
    std::string name;
    double value;
  };
  std::string title;
  Axis x, y;
  std::vector<Series> series;
  std::vector<Bound> x_bounds, y_bounds;  // dashed lines across; one that is far from all points is left out

  std::string svg(const Canvas& canvas) const;
  /// The same as numbers, at most about 100 of them.
  Table table() const;
};

}  // namespace octet::report
