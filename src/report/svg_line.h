#pragma once
#include "report/chart.h"
#include "report/table.h"

namespace octet::report {

/// One line a series over a common x.
struct LinePlot {
  std::string title;
  Axis x, y;
  std::vector<Series> series;

  std::string svg(const Canvas& canvas) const;
  /// The same as numbers; long series are thinned to about 100 rows.
  Table table() const;
};

}  // namespace octet::report
