#pragma once
#include <string>
#include <vector>

namespace octet::report {

/// A table of plain text; cells that start like numbers stand to the right.
struct Table {
  std::vector<std::string> heading;
  std::vector<std::vector<std::string>> rows;
};

}  // namespace octet::report
