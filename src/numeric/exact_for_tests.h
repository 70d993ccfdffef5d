#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "numeric/rounding.h"

namespace octet {

/// Rounding the slow and obvious way, for tests: every non-negative value of a format in a table of float64, where all
/// of them, the points half way between and the differences of float32 values next to them are exact.
struct ExactFormat {
  std::string name;
  std::vector<double> values;  ///< ascending; the index is the code
  double following;            ///< where the value after the largest would be
  bool saturates;              ///< else that code is an infinity
};

/// From the definition: significand * 2^(exponent - bias), subnormals at exponent field 0.
inline ExactFormat exact_minifloat(std::string name, int mantissa_bits, int bias, int max_code, bool saturates) {
  const int hidden = 1 << mantissa_bits;
  const auto value = [&](int code) {
    const int exponent = code / hidden;
    const int mantissa = code % hidden;
    return exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                         : std::ldexp(hidden + mantissa, exponent - bias - mantissa_bits);
  };
  ExactFormat format{std::move(name), {}, value(max_code + 1), saturates};
  for (int code = 0; code <= max_code; ++code) format.values.push_back(value(code));
  return format;
}

inline ExactFormat exact_e4m3() {
  return exact_minifloat("E4M3", 3, 7, 0x7E, true);
}
inline ExactFormat exact_e5m2() {
  return exact_minifloat("E5M2", 2, 15, 0x7B, true);
}
inline ExactFormat exact_bf16() {
  return exact_minifloat("BF16", 7, 127, 0x7F7F, false);
}
inline ExactFormat exact_fp16() {
  return exact_minifloat("FP16", 10, 15, 0x7BFF, false);
}

/// The integers 0 … largest: one half of INT8.
inline ExactFormat exact_integers(int largest) {
  ExactFormat format{"INT8", {}, largest + 1.0, true};
  for (int value = 0; value <= largest; ++value) format.values.push_back(value);
  return format;
}

/// A magnitude between its neighbours: those of codes `lower` and lower + 1.
struct Between {
  uint32_t lower;
  double below, above;
};

inline Between neighbours(const ExactFormat& format, double magnitude) {
  const auto after = std::upper_bound(format.values.begin(), format.values.end(), magnitude);
  const auto lower = static_cast<uint32_t>(after - format.values.begin() - 1);
  return {lower, format.values[lower], after == format.values.end() ? format.following : *after};
}

/// How much of 2^32 random words round up.
inline double words_that_round_up(const Between& at, double magnitude) {
  return std::floor(std::ldexp((magnitude - at.below) / (at.above - at.below), 32));
}

inline bool rounds_up(const Between& at, double magnitude, Rounding rounding, uint32_t random) {
  const double middle = (at.below + at.above) / 2;
  switch (rounding) {
    case Rounding::half_even:
      return magnitude > middle || (magnitude == middle && at.lower % 2 == 1);
    case Rounding::half_away:
      return magnitude >= middle;
    case Rounding::toward_zero:
      return false;
    case Rounding::stochastic:
      return random < words_that_round_up(at, magnitude);
  }
  return false;
}

/// The code of a magnitude (not NaN) whose neighbours are `at`.
inline uint32_t exact_code(const ExactFormat& format, const Between& at, double magnitude, Rounding rounding,
                           uint32_t random) {
  const auto largest = static_cast<uint32_t>(format.values.size() - 1);
  if (std::isinf(magnitude)) return format.saturates ? largest : largest + 1;
  if (magnitude >= format.following) {
    return format.saturates || rounding == Rounding::toward_zero ? largest : largest + 1;
  }
  const uint32_t code = at.lower + (rounds_up(at, magnitude, rounding, random) ? 1 : 0);
  return format.saturates ? std::min(code, largest) : code;
}

}  // namespace octet
