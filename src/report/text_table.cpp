#include "report/text_table.h"

#include <algorithm>

#include "base/escape.h"

namespace octet::report {

TextTable::TextTable(std::vector<std::string> heading) : heading_(std::move(heading)) {}

void TextTable::add(std::vector<std::string> row) {
  row.resize(heading_.size());
  for (std::string& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

// Numbers, with a sign, a unit or none: every cell that is not empty starts like one.
bool TextTable::is_numeric(size_t column) const {
  bool any = false;
  for (const auto& row : rows_) {
    const std::string& cell = row[column];
    if (cell.empty() || cell == "-" || cell == "–") continue;
    const size_t at = cell[0] == '-' || cell[0] == '+' ? 1 : 0;
    if (at >= cell.size() || cell[at] < '0' || cell[at] > '9') return false;
    any = true;
  }
  return any;
}

std::string TextTable::text(const Paint& paint) const {
  std::vector<int> widths;
  std::vector<bool> numeric;
  for (size_t c = 0; c < heading_.size(); ++c) {
    int width = display_width(heading_[c]);
    for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
    widths.push_back(width);
    numeric.push_back(is_numeric(c));
  }
  const auto line = [&](const std::vector<std::string>& cells, bool is_heading) {
    std::string text;
    for (size_t c = 0; c < cells.size(); ++c) {
      const std::string gap(static_cast<size_t>(widths[c] - display_width(cells[c])), ' ');
      const std::string cell = is_heading ? paint.bold(cells[c]) : cells[c];
      text += (c ? "  " : "") + (numeric[c] ? gap + cell : cell + gap);
    }
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = line(heading_, true);
  for (const auto& row : rows_) text += line(row, false);
  return text;
}

}  // namespace octet::report
