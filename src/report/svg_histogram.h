#pragma once
#include "report/chart.h"
#include "report/table.h"

namespace octet::report {

/// How often values fall into bins of equal width (of equal ratio on a log axis). Several series are drawn over each
/// other, their bins the same.
struct Histogram {
  struct Values {
    std::string name;
    std::vector<double> values;
  };
  std::string title;
  Axis value;
  std::vector<Values> series;
  int bins = 40;
  std::string count_label = "count";
  bool log_count = false;
  std::vector<double> grid;  // values that are marked below the bars, such as what codes stand for

  std::string svg(const Canvas& canvas) const;
  Table table() const;
};

}  // namespace octet::report
