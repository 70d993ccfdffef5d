#pragma once
#include "numeric/minifloat.h"

namespace octet {

/// E4M3FN (OCP 8-bit floating point specification 1.0; Micikevicius et al. 2022, arXiv:2209.05433): bias 7, largest
/// 448 (0x7E), smallest normal 2^-6, smallest 2^-9, NaN 0x7F and 0xFF, no infinities.
inline constexpr Minifloat kE4m3{4, 3, 7, 0x7E, 0x7F, false};
inline constexpr float kE4m3Max = 448.0f;

constexpr float e4m3_to_float(uint8_t code) {
  return decode_minifloat<kE4m3>(code);
}

/// Saturates: what rounds beyond ±448, and ±infinity, becomes ±448. NaN becomes 0x7F or, with its sign set, 0xFF.
constexpr uint8_t float_to_e4m3(float x, Rounding rounding = Rounding::half_even, uint32_t random = 0) {
  return static_cast<uint8_t>(encode_minifloat<kE4m3>(x, rounding, random, Overflow::saturate));
}

}  // namespace octet
