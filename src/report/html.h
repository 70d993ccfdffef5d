#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "report/svg.h"
#include "report/table.h"

namespace octet::report {

/// A number that stands out: "Perplexity", "4.06", "0.3 % above the baseline".
struct KeyNumber {
  std::string label, value, note;
};

/// One self-contained HTML page, for phones and desktops, light and dark; no script, nothing fetched. All text is
/// escaped.
class Page {
 public:
  Page(std::string title, std::string subtitle);

  void heading(std::string_view text);
  void paragraph(std::string_view text);
  void key_numbers(const std::vector<KeyNumber>& numbers);
  void table(const Table& table, std::string_view caption = "");

  /// A table that stands behind a fold until it is asked for.
  void folded_table(std::string_view summary, const Table& table);

  /// A command as it is typed, which breaks into lines at spaces only.
  void code(std::string_view text);

  /// A plot (LinePlot, BarPlot, …), drawn once for wide and once for narrow screens, with its numbers behind a fold.
  template <typename Plot>
  void figure(const Plot& plot, std::string_view note = "") {
    const std::string id = next_id();
    add_figure(plot.title, note, plot.svg({720, id + "-wide"}), plot.svg({340, id + "-narrow"}), plot.table());
  }

  std::string html() const;

 private:
  std::string next_id();
  void add_figure(std::string_view title, std::string_view note, const std::string& wide, const std::string& narrow,
                  const Table& numbers);
  std::string title_, subtitle_, body_;
  int figures_ = 0;
};

}  // namespace octet::report
