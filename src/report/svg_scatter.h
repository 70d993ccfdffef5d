#pragma once
#include "report/chart.h"
#include "report/table.h"

namespace octet::report {

/// A point a pair of values. Where `point_names` are given, one a point of the first series, they are written beside
/// it.
struct ScatterPlot {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
  std::vector<std::string> point_names;

  std::string svg(const Canvas& canvas) const;
  /// The same as numbers, at most about 100 of them.
  Table table() const;
};

}  // namespace octet::report
