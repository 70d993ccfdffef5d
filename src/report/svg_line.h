#pragma once
#include "report/chart.h"
#include "report/table.h"

namespace octet::report {

/// One line a series over a common x. Where the first series has names, x counts 1, 2, 3 … for all of them, and hints
/// and table say the names.
struct LinePlot {
  std::string title;
  Axis x, y;
  std::vector<Series> series;

  std::string svg(const Canvas& canvas) const;
  /// The same as numbers: a row a name, or a row a point, thinned to about 100 where series are long.
  Table table() const;
};

}  // namespace octet::report
