#include "report/ticks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"

namespace octet::report {
namespace {

constexpr double kLargest = 1e300;

double nice_step(double span, int count) {
  const double raw = span / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * 1.0001) return factor * power;
  }
  return 10 * power;
}

std::string trimmed(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

// The unit that suits the largest tick serves all of them.
struct Suffix {
  double from, divisor;
  const char* name;
};

Suffix suffix_of(double largest, Unit unit) {
  static const Suffix kBytes[] = {
      {1e12, 1e12, " TB"}, {1e9, 1e9, " GB"}, {1e6, 1e6, " MB"}, {1e3, 1e3, " kB"}, {0, 1, " B"}};
  static const Suffix kCounts[] = {
      {1e12, 1e12, " T"}, {1e9, 1e9, " G"}, {1e6, 1e6, " M"}, {1e4, 1e3, " k"}, {0, 1, ""}};
  static const Suffix kSeconds[] = {{7200, 3600, " h"},  {300, 60, " min"},   {1, 1, " s"},
                                    {1e-3, 1e-3, " ms"}, {1e-6, 1e-6, " µs"}, {0, 1, " s"}};
  if (unit == Unit::percent) return {0, 0.01, " %"};
  const Suffix* row = unit == Unit::bytes ? kBytes : unit == Unit::seconds ? kSeconds : kCounts;
  while (largest < row->from) ++row;
  return *row;
}

}  // namespace

std::string value_text(double value, Unit unit) {
  switch (unit) {
    case Unit::bytes:
      return human_bytes(value);
    case Unit::seconds:
      return human_seconds(value);
    case Unit::percent:
      return three_digits(value * 100) + " %";
    default:
      if (value != 0 && std::abs(value) < 1e-4) return fmt::format("{:.3g}", value);
      return std::abs(value) >= 1e4 && std::isfinite(value) ? human_count(value) : trimmed(three_digits(value));
  }
}

std::vector<double> linear_ticks(double low, double high, int count) {
  low = std::clamp(std::isfinite(low) ? low : 0, -kLargest, kLargest);
  high = std::clamp(std::isfinite(high) ? high : 1, -kLargest, kLargest);
  if (high < low) std::swap(low, high);
  const double least = std::max(std::abs(low), std::abs(high)) * 1e-9;
  if (high - low <= std::max(least, 1e-300)) {
    const double half = low == 0 ? 0.5 : std::abs(low) * 0.1;
    low -= half;
    high += half;
  }
  const double step = nice_step(high - low, count);
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  std::vector<double> ticks;
  for (double i = first; i <= last && ticks.size() < 1000; ++i) ticks.push_back(i == 0 ? 0.0 : i * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high, int count) {
  if (!(low > 0) || !std::isfinite(low)) low = 1;
  if (!(high > low) || !std::isfinite(high)) high = low * 10;
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const int stride = std::max(1, (last - first) / std::max(count, 1));
  const bool fine = last - first <= 2;
  std::vector<double> ticks;
  for (int power = first; power <= last; power += stride) {
    const double ten = std::pow(10.0, power);
    ticks.push_back(ten);
    if (!fine) continue;
    for (const double factor : {2.0, 5.0}) {
      if (ten < high) ticks.push_back(factor * ten);
    }
  }
  // Ticks further out than one beyond the data only waste room.
  while (ticks.size() > 2 && ticks[ticks.size() - 2] >= high) ticks.pop_back();
  while (ticks.size() > 2 && ticks[1] <= low) ticks.erase(ticks.begin());
  return ticks;
}

std::vector<std::string> tick_texts(const std::vector<double>& ticks, Unit unit) {
  double largest = 0, step = INFINITY;
  for (size_t i = 0; i < ticks.size(); ++i) {
    largest = std::max(largest, std::abs(ticks[i]));
    if (i) step = std::min(step, std::abs(ticks[i] - ticks[i - 1]));
  }
  const Suffix suffix = suffix_of(largest, unit);
  std::vector<std::string> texts;
  const bool wide_range = largest > 0 && (largest / suffix.divisor >= 1e6 || largest / suffix.divisor < 1e-4);
  const double shown_step = std::isfinite(step) && step > 0 ? step / suffix.divisor : 1;
  const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(shown_step) - 1e-9)), 0, 9);
  for (const double tick : ticks) {
    const double shown = tick / suffix.divisor;
    const std::string number =
        wide_range ? fmt::format("{:.3g}", shown) : trimmed(fmt::format("{:.{}f}", shown, digits));
    texts.push_back(number == "0" && unit == Unit::number ? number : number + suffix.name);
  }
  return texts;
}

}  // namespace octet::report
