#pragma once
#include <string>
#include <vector>

#include "base/terminal.h"

namespace octet::report {

/// A table for a terminal: columns two spaces apart, numbers to the right, the heading underlined where there are
/// colours. Cells are made safe for a terminal.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heading);

  /// Throws nothing: missing cells are empty, cells beyond the heading are left out.
  void add(std::vector<std::string> row);

  std::string text(const Paint& paint) const;

 private:
  bool is_numeric(size_t column) const;
  std::vector<std::string> heading_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace octet::report
