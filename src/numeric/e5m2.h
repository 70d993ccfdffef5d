#pragma once
#include "numeric/minifloat.h"

namespace octet {

/// E5M2 (OCP 8-bit floating point specification 1.0), the upper byte of an FP16: bias 15, largest 57344 (0x7B),
/// smallest normal 2^-14, smallest 2^-16, infinity 0x7C, NaN 0x7D to 0x7F.
inline constexpr Minifloat kE5m2{5, 2, 15, 0x7B, 0x7F, true};
inline constexpr float kE5m2Max = 57344.0f;

/// Infinities and NaN in a code (someone else's) are decoded as such.
constexpr float e5m2_to_float(uint8_t code) {
  return decode_minifloat<kE5m2>(code);
}

/// Saturates: what rounds beyond ±57344, and ±infinity, becomes ±57344, so no infinity is ever written. NaN becomes
/// 0x7F or, with its sign set, 0xFF.
constexpr uint8_t float_to_e5m2(float x, Rounding rounding = Rounding::half_even, uint32_t random = 0) {
  return static_cast<uint8_t>(encode_minifloat<kE5m2>(x, rounding, random, Overflow::saturate));
}

}  // namespace octet
