#pragma once
#include <bit>
#include <cstdint>

#include "numeric/rounding.h"

namespace octet {

inline constexpr float kInt8Max = 127.0f;

/// The codes a value may take: all of them, or as many below zero as above.
enum class Int8Range : uint8_t { full, narrow };  // [-128, 127], [-127, 127]

constexpr int int8_lowest(Int8Range range) {
  return range == Int8Range::full ? -128 : -127;
}

constexpr float int8_to_float(int8_t code) {
  return code;
}

/// x clamped to the range, then rounded; ±infinity gives the ends of the range and NaN gives 0. `random`: see
/// round_shift.
constexpr int8_t float_to_int8(float x, Rounding rounding = Rounding::half_even, uint32_t random = 0,
                               Int8Range range = Int8Range::full) {
  if (x != x) return 0;
  if (x >= kInt8Max) return 127;
  if (x <= static_cast<float>(int8_lowest(range))) return static_cast<int8_t>(int8_lowest(range));
  const auto bits = std::bit_cast<uint32_t>(x);
  const int exponent = static_cast<int>((bits >> 23) & 0xFF);
  const uint32_t significand = (bits & 0x7FFFFF) | (exponent != 0 ? 0x800000 : 0);
  const auto magnitude =
      static_cast<int>(round_shift(significand, 150 - (exponent != 0 ? exponent : 1), rounding, random));
  return static_cast<int8_t>((bits >> 31) != 0 ? -magnitude : magnitude);
}

}  // namespace octet
