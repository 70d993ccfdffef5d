#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "numeric/bf16.h"

namespace octet {

/// Logarithmic codes: a sign (the upper bit) and q = round(log2|x| · kLog8Levels), so that steps grow with the number
/// (logarithmic number system: Miyashita et al. 2016, arXiv:1603.01025). Code 127 is 1 and code 1 is 2^(-126/20) =
/// 0.0127; 0 is zero. Values are rounded to BF16, in which they are multiplied; code 0x80, not written, is -0.
inline constexpr int kLog8Levels = 20;  // codes an octave
inline constexpr float kLog8Max = 1.0f;

// clang-format off
/// 2^(r/20) in BF16, and 2^((r+½)/20), where the rounding of the logarithm goes up.
inline constexpr float kLog8Values[kLog8Levels] = {
    1.0f,       1.0390625f, 1.0703125f, 1.109375f, 1.1484375f, 1.1875f, 1.234375f,  1.2734375f, 1.3203125f, 1.3671875f,
    1.4140625f, 1.4609375f, 1.515625f,  1.5703125f, 1.625f,    1.6796875f, 1.7421875f, 1.8046875f, 1.8671875f, 1.9296875f};
inline constexpr float kLog8Borders[kLog8Levels] = {
    1.0174797f, 1.0533610f, 1.0905077f, 1.1289644f, 1.1687772f, 1.2099941f, 1.2526644f, 1.2968396f, 1.3425725f, 1.3899182f,
    1.4389336f, 1.4896774f, 1.5422108f, 1.5965967f, 1.6529007f, 1.7111901f, 1.7715350f, 1.8340081f, 1.8986843f, 1.9656411f};
// clang-format on

constexpr float log8_to_float(uint8_t code) {
  const int magnitude = code & 0x7F;
  const uint32_t sign = static_cast<uint32_t>(code & 0x80) << 24;
  if (magnitude == 0) return std::bit_cast<float>(sign);
  const int steps = magnitude - 127 + 7 * kLog8Levels;  // above 2^-7
  const float value = kLog8Values[steps % kLog8Levels];
  const uint32_t bits = std::bit_cast<uint32_t>(value) + (static_cast<uint32_t>(steps / kLog8Levels) << 23);
  return std::bit_cast<float>((bits - (uint32_t{7} << 23)) | sign);
}

/// Saturates at ±1. What is below half of the smallest becomes 0, and so does NaN.
constexpr uint8_t float_to_log8(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), magnitude = bits & 0x7FFFFFFF;
  const auto sign = static_cast<uint8_t>(bits >> 24 & 0x80);
  if (magnitude > 0x7F800000) return 0;
  if (magnitude >= std::bit_cast<uint32_t>(kLog8Max)) return sign | 127;
  if (magnitude < std::bit_cast<uint32_t>(log8_to_float(1) / 2)) return 0;
  const float fraction = std::bit_cast<float>((magnitude & 0x7FFFFF) | 0x3F800000);
  int above = 0;
  while (above < kLog8Levels && fraction >= kLog8Borders[above]) ++above;
  const int code = 127 + (static_cast<int>(magnitude >> 23) - 127) * kLog8Levels + above;
  return code < 1 ? sign | 1 : static_cast<uint8_t>(sign | code);
}

}  // namespace octet
