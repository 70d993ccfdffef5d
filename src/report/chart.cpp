#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace octet::report {
namespace {

constexpr double kRow = 20;  // height of a row of the legend
constexpr double kSwatch = 18;

double legend_entry(const std::string& name) {
  return kSwatch + 6 + text_width(name) + 16;
}

// Labels that would run into the one before them are left out.
void draw_x_axis(Plane& plane, const Axis& axis) {
  Svg& svg = plane.svg;
  svg.line(plane.left, plane.bottom, plane.right, plane.bottom, "axis");
  double free_from = -INFINITY;
  for (size_t i = 0; i < plane.x.ticks().size(); ++i) {
    const double x = plane.x.at(plane.x.ticks()[i]);
    svg.line(x, plane.bottom, x, plane.bottom + 4, "axis");
    const std::string& text = plane.x.texts()[i];
    const double half = text_width(text) / 2;
    if (x - half < free_from) continue;
    svg.text(x, plane.bottom + 18, Anchor::middle, "tick", text);
    free_from = x + half + 8;
  }
  svg.text((plane.left + plane.right) / 2, plane.bottom + 38, Anchor::middle, "label", axis.label);
}

void draw_y_axis(Plane& plane, const Axis& axis) {
  Svg& svg = plane.svg;
  for (size_t i = 0; i < plane.y.ticks().size(); ++i) {
    const double y = plane.y.at(plane.y.ticks()[i]);
    svg.line(plane.left, y, plane.right, y, "grid");
    svg.text(plane.left - 8, y + 4, Anchor::end, "tick", plane.y.texts()[i]);
  }
  svg.text(2, plane.top - 12, Anchor::start, "label", axis.label);
}

}  // namespace

void Range::add(double value, const Axis& axis) {
  if (!std::isfinite(value) || (axis.log && value <= 0)) return;
  low = empty ? value : std::min(low, value);
  high = empty ? value : std::max(high, value);
  empty = false;
}

Scale::Scale(const Axis& axis, Range range, int tick_count) : log_(axis.log) {
  if (range.empty) range = {axis.log ? 1.0 : 0.0, axis.log ? 10.0 : 1.0, false};
  if (axis.from_zero && !log_) {
    range.low = std::min(range.low, 0.0);
    range.high = std::max(range.high, 0.0);
  }
  if (!axis.ticks.empty()) {
    for (const Axis::Tick& tick : axis.ticks) {
      ticks_.push_back(tick.value);
      texts_.push_back(tick.text);
    }
    low_ = range.low - 0.5;
    high_ = range.high + 0.5;
    return;
  }
  ticks_ = log_ ? log_ticks(range.low, range.high, tick_count) : linear_ticks(range.low, range.high, tick_count);
  texts_ = tick_texts(ticks_, axis.unit);
  low_ = along(ticks_.front());
  high_ = along(ticks_.back());
  // A log axis spans more than one unit: each tick gets its own.
  if (log_) {
    for (size_t i = 0; i < ticks_.size(); ++i) texts_[i] = value_text(ticks_[i], axis.unit);
  }
}

void Scale::place(double from, double to) {
  from_ = from;
  to_ = to;
}

double Scale::along(double value) const {
  return log_ ? std::log10(value) : value;
}

bool Scale::shows(double value) const {
  return std::isfinite(value) && (!log_ || value > 0);
}

double Scale::at(double value) const {
  return from_ + (along(value) - low_) / (high_ - low_) * (to_ - from_);
}

std::string series_class(size_t index) {
  return fmt::format("s{}", index % 6);
}

double legend_height(const std::vector<std::string>& names, double width) {
  if (names.size() < 2) return 0;
  double x = 0, rows = 1;
  for (const auto& name : names) {
    if (x > 0 && x + legend_entry(name) > width) {
      ++rows;
      x = 0;
    }
    x += legend_entry(name);
  }
  return rows * kRow + 6;
}

double draw_legend(Svg& svg, const std::vector<std::string>& names, double width, double top) {
  if (names.size() < 2) return 0;
  double x = 2, y = top + 12;
  for (size_t i = 0; i < names.size(); ++i) {
    if (x > 2 && x + legend_entry(names[i]) > width) {
      x = 2;
      y += kRow;
    }
    svg.rect(x, y - 9, kSwatch - 6, 10, series_class(i) + " fill");
    svg.text(x + kSwatch, y, Anchor::start, "value", names[i]);
    x += legend_entry(names[i]);
  }
  return legend_height(names, width);
}

Plane make_plane(const PlaneLayout& layout, const Canvas& canvas) {
  const double width = canvas.width;
  Scale x(layout.x, layout.x_range, std::max(3, canvas.width / 110));
  Scale y(layout.y, layout.y_range, 5);
  double tick_width = 0;
  for (const auto& text : y.texts()) tick_width = std::max(tick_width, text_width(text));
  const double legend = legend_height(layout.legend, width);
  const double top = legend + (layout.y.label.empty() ? 10 : 28);
  const double bottom = top + std::clamp(width * 0.42, 180.0, 300.0);
  const double height = bottom + (layout.x.label.empty() ? 26 : 46);
  const double right = width - std::max(12.0, text_width(x.texts().back()) / 2);

  Plane plane{Svg(canvas, height, layout.title, layout.description), x, y, tick_width + 14, right, top, bottom};
  plane.x.place(plane.left, plane.right);
  plane.y.place(plane.bottom, plane.top);
  draw_legend(plane.svg, layout.legend, width, 0);
  draw_y_axis(plane, layout.y);
  draw_x_axis(plane, layout.x);
  return plane;
}

}  // namespace octet::report
