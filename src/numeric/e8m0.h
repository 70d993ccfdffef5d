#pragma once
#include <bit>
#include <cstdint>
#include <limits>

#include "numeric/rounding.h"

namespace octet {

/// E8M0 (OCP Microscaling formats specification 1.0): code c stands for 2^(c - 127), 0xFF for NaN. No sign, no zero.
/// How a block's scale is chosen: numeric/mx_scale.h.
inline constexpr uint8_t kE8m0Nan = 0xFF;
inline constexpr uint8_t kE8m0MaxCode = 0xFE;
inline constexpr float kE8m0Max = 0x1p127f;

/// Exact; code 0 is the float32 subnormal 2^-127.
constexpr float e8m0_to_float(uint8_t code) {
  if (code == kE8m0Nan) return std::numeric_limits<float>::quiet_NaN();
  return std::bit_cast<float>(code == 0 ? uint32_t{0x00400000} : static_cast<uint32_t>(code) << 23);
}

/// 1 / e8m0_to_float(code), exact: dividing by a scale and multiplying by this give the same bits.
constexpr float e8m0_reciprocal(uint8_t code) {
  return code == kE8m0Nan ? e8m0_to_float(code) : e8m0_to_float(static_cast<uint8_t>(254 - code));
}

/// The power of two that x rounds to on the number line. A significand of one bit is odd, so a tie goes up in both
/// nearest modes. Saturates: below 2^-127, 0 included, code 0; above 2^127, +infinity included, code 254. Below zero
/// (not -0) and NaN: 0xFF.
constexpr uint8_t float_to_e8m0(float x, Rounding rounding = Rounding::half_even, uint32_t random = 0) {
  if (!(x >= 0)) return kE8m0Nan;
  const uint32_t bits = std::bit_cast<uint32_t>(x) & 0x7FFFFFFF;
  if (bits <= 0x400000) return 0;
  // From code 1 up, float32's exponent field is the code and its mantissa the fraction of the way to the next; between
  // 2^-127 and 2^-126 there are half as many float32 values.
  const uint32_t code = bits >> 23;
  const uint32_t significand = code == 0 ? bits << 1 : (bits & 0x7FFFFF) | 0x800000;
  const uint32_t rounded = code + round_shift(significand, 23, rounding, random) - 1;
  return static_cast<uint8_t>(rounded < kE8m0MaxCode ? rounded : kE8m0MaxCode);
}

}  // namespace octet
