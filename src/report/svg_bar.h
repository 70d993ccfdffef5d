#pragma once
#include "report/chart.h"
#include "report/table.h"

namespace octet::report {

/// Horizontal bars from zero with their values written out: a group a row, a bar a series in each.
struct BarPlot {
  struct Bars {
    std::string name;
    std::vector<double> values;  // one a group
  };
  std::string title;
  Axis value;
  std::vector<std::string> groups;
  std::vector<Bars> series;

  std::string svg(const Canvas& canvas) const;
  Table table() const;
};

}  // namespace octet::report
