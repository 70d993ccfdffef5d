#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace octet::report {

/// How wide a plot is drawn, in CSS pixels, and an id that no other plot of the page has.
struct Canvas {
  int width = 720;
  std::string id = "plot";
};

enum class Anchor { start, middle, end };

/// Writes one <svg>; text is escaped. Looks come from the classes that plot_style() describes: axis, grid, label,
/// bound, hover (seen only below a pointer), and s0 … s5 for series. `hint` is what a pointer that rests on the mark is
/// told.
class Svg {
 public:
  Svg(const Canvas& canvas, double height, std::string_view title, std::string_view description);

  void line(double x1, double y1, double x2, double y2, std::string_view classes);
  void text(double x, double y, Anchor anchor, std::string_view classes, std::string_view text);
  void rect(double x, double y, double width, double height, std::string_view classes, std::string_view hint = "");
  void circle(double x, double y, double radius, std::string_view classes, std::string_view hint = "");
  void path(std::string_view d, std::string_view classes);

  std::string finish();

 private:
  void shape(const std::string& element, std::string_view hint);
  std::string body_;
};

/// The style sheet of plots, light and dark; a page holds it once.
std::string_view plot_style();

/// A file of its own from what a plot returned.
std::string standalone_svg(const std::string& svg);

/// Columns of pixels that `text` takes at the size of labels, about.
double text_width(std::string_view text);

}  // namespace octet::report
