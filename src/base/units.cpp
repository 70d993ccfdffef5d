#include "base/units.h"

#include <fmt/format.h>

#include <cmath>

namespace octet {
namespace {

std::string scaled(double value, const char* const* units, int count) {
  int unit = 0;
  // 999.5 would be printed as 1000.
  while (unit + 1 < count && std::abs(value) >= 999.5) {
    value /= 1000;
    ++unit;
  }
  const bool whole = unit == 0 && value == std::floor(value);
  const std::string number = whole ? fmt::format("{:.0f}", value) : three_digits(value);
  return *units[unit] ? number + " " + units[unit] : number;
}

}  // namespace

std::string three_digits(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "∞" : "-∞";
  const double magnitude = std::abs(value);
  if (magnitude == 0) return "0";
  if (magnitude < 1e-4 || magnitude >= 1e15) return fmt::format("{:.2e}", value);
  int digits_before = static_cast<int>(std::floor(std::log10(magnitude))) + 1;
  if (magnitude >= std::pow(10, digits_before) * 0.9995) ++digits_before;  // 0.9999 rounds to 1.00
  return fmt::format("{:.{}f}", value, std::max(0, 3 - digits_before));
}

std::string human_bytes(double bytes) {
  static const char* const kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  return scaled(bytes, kUnits, 6);
}

std::string human_count(double count) {
  static const char* const kUnits[] = {"", "k", "M", "G", "T"};
  return scaled(count, kUnits, 5);
}

std::string human_seconds(double seconds) {
  if (!(seconds >= 0) || !std::isfinite(seconds)) return "-";
  if (seconds == 0) return "0 s";
  if (seconds < 0.9995e-6) return three_digits(seconds * 1e9) + " ns";
  if (seconds < 0.9995e-3) return three_digits(seconds * 1e6) + " µs";
  if (seconds < 0.9995) return three_digits(seconds * 1e3) + " ms";
  if (seconds < 99.95) return three_digits(seconds) + " s";
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string clock_time(double seconds) {
  if (!(seconds >= 0) || seconds > 1e8) return "-";
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60);
}

}  // namespace octet
