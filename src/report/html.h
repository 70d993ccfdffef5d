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

  /// Text as it is, such as what a model wrote.
  void quote(std::string_view text, std::string_view source);

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
