#include "report/svg.h"

#include <fmt/format.h>

#include "base/escape.h"
#include "base/terminal.h"

namespace octet::report {
namespace {

constexpr const char* kAnchors[] = {"start", "middle", "end"};

constexpr std::string_view kPlotStyle = R"css(
svg.plot { --s0: #2563c9; --s1: #c2570c; --s2: #0f7f63; --s3: #8b3fae; --s4: #b3294a; --s5: #5b6472;
  --ink: #1b1f26; --soft: #586170; --rule: #dfe3e9;
  display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) { svg.plot { --s0: #6ea5ff; --s1: #f39a54; --s2: #45cda4; --s3: #cf8bea;
  --s4: #ff7d97; --s5: #a4aebd; --ink: #e8ebf0; --soft: #a0a9b8; --rule: #333b47; } }
svg.plot text { fill: var(--soft); } svg.plot text.value { fill: var(--ink); }
svg.plot .grid { stroke: var(--rule); stroke-width: 1; } svg.plot .axis { stroke: var(--soft); stroke-width: 1; }
svg.plot .bound { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 5 4; }
svg.plot .hover { fill: var(--ink); fill-opacity: 0; } svg.plot .hover:hover { fill-opacity: .1; }
svg.plot .code { stroke: var(--ink); stroke-width: .6; opacity: .55; }
svg.plot .s0 { --c: var(--s0); } svg.plot .s1 { --c: var(--s1); } svg.plot .s2 { --c: var(--s2); }
svg.plot .s3 { --c: var(--s3); } svg.plot .s4 { --c: var(--s4); } svg.plot .s5 { --c: var(--s5); }
svg.plot .fill { fill: var(--c); } svg.plot .faint { fill: var(--c); fill-opacity: .55; }
svg.plot .stroke { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg.plot .s1.stroke { stroke-dasharray: 7 4; } svg.plot .s2.stroke { stroke-dasharray: 2 4; }
svg.plot .s3.stroke { stroke-dasharray: 10 4 2 4; } svg.plot .s4.stroke { stroke-dasharray: 4 4; }
svg.plot .s5.stroke { stroke-dasharray: 12 5; }
)css";

}  // namespace

Svg::Svg(const Canvas& canvas, double height, std::string_view title, std::string_view description) {
  const std::string id = html_escape(canvas.id);
  body_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {} {:.0f}\" role=\"img\" "
      "aria-labelledby=\"{}-title {}-desc\">\n<title id=\"{}-title\">{}</title>\n<desc id=\"{}-desc\">{}</desc>\n",
      canvas.width, height, id, id, id, html_escape(title), id, html_escape(description));
}

void Svg::shape(const std::string& element, std::string_view hint) {
  if (hint.empty()) {
    body_ += "<" + element + "/>\n";
    return;
  }
  const std::string name = element.substr(0, element.find(' '));
  body_ += fmt::format("<{}><title>{}</title></{}>\n", element, html_escape(hint), name);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  shape(
      fmt::format("line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"", x1, y1, x2, y2, classes),
      "");
}

void Svg::text(double x, double y, Anchor anchor, std::string_view classes, std::string_view text) {
  body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y,
                       kAnchors[static_cast<int>(anchor)], classes, html_escape(text));
}

void Svg::rect(double x, double y, double width, double height, std::string_view classes, std::string_view hint) {
  shape(fmt::format("rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"2\" class=\"{}\"", x, y,
                    std::max(width, 0.0), std::max(height, 0.0), classes),
        hint);
}

void Svg::circle(double x, double y, double radius, std::string_view classes, std::string_view hint) {
  shape(fmt::format("circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" class=\"{}\"", x, y, radius, classes), hint);
}

void Svg::path(std::string_view d, std::string_view classes) {
  shape(fmt::format("path d=\"{}\" class=\"{}\"", d, classes), "");
}

std::string Svg::finish() {
  return body_ + "</svg>\n";
}

std::string_view plot_style() {
  return kPlotStyle;
}

std::string standalone_svg(const std::string& svg) {
  const size_t at = svg.find(">\n") + 2;
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + svg.substr(0, at) + "<style>" + std::string(kPlotStyle) +
         "</style>\n" + svg.substr(at);
}

// For the widest of the usual system fonts: a label that is cut off is worse than one with room around it.
double text_width(std::string_view text) {
  double width = 7.2 * display_width(text);
  for (const char c : text) width += (c >= 'A' && c <= 'Z') || c == '%' ? 1.6 : 0;
  return width;
}

}  // namespace octet::report
