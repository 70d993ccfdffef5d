#pragma once
#include <string>
#include <utility>
#include <vector>

namespace octet::report {

/// How values of an axis or a table are written.
enum class Unit { number, bytes, seconds, percent };  // percent: 0.25 is "25 %"

struct Axis {
  Axis(std::string label = "", Unit unit = Unit::number, bool log = false, bool from_zero = false)
      : label(std::move(label)), unit(unit), log(log), from_zero(from_zero) {}
  std::string label;
  Unit unit;
  bool log;        // values that are not above zero are left out
  bool from_zero;  // the axis starts at zero
  struct Tick {
    double value;
    std::string text;
  };
  std::vector<Tick> ticks;  // of an axis that counts 1, 2, 3 …: what is marked, instead of round numbers
};

/// "1.04 M", "3.20 GB", "12.3 ms", "25.0 %".
std::string value_text(double value, Unit unit);

/// Multiples of 1, 2 or 5 times a power of ten, about `count` of them, from at or below low to at or above high.
/// Any numbers give at least two ticks.
std::vector<double> linear_ticks(double low, double high, int count);

/// Powers of ten, with their 2 and 5 where there are few; low and high above zero.
std::vector<double> log_ticks(double low, double high, int count);

/// The labels of ticks: as many digits as tell them apart.
std::vector<std::string> tick_texts(const std::vector<double>& ticks, Unit unit);

}  // namespace octet::report
