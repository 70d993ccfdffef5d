#pragma once
#include <bit>
#include <cstdint>

#include "numeric/rounding.h"

namespace octet {

/// A sign, an exponent and a mantissa in at most 16 bits, subnormals included; the formats are in the files named after
/// them. Codes here are without their sign bit, so that they grow with the value they stand for.
struct Minifloat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  uint32_t max_code;  ///< of the largest finite value; an infinity, where there is one, is max_code + 1
  uint32_t nan_code;  ///< what a NaN becomes, together with the leading bits of its payload
  bool has_infinity;

  constexpr uint32_t sign_bit() const { return uint32_t{1} << (exponent_bits + mantissa_bits); }
};

/// What becomes of a value too large for the format, after rounding.
enum class Overflow : uint8_t {
  saturate,  ///< the largest finite value of its sign, for infinities too
  infinity,  ///< an infinity, as IEEE 754 has it: rounding toward zero still stops at the largest finite value
};

/// The code nearest to x. -0 and NaN keep their sign. `random`: see round_shift.
template <Minifloat F>
constexpr uint32_t encode_minifloat(float x, Rounding rounding, uint32_t random, Overflow overflow) {
  constexpr int kDrop = 23 - F.mantissa_bits;
  constexpr uint32_t kInfinity = 0x7F800000;
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = (bits >> 31) * F.sign_bit();
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > kInfinity) return sign | F.nan_code | ((magnitude & 0x7FFFFF) >> kDrop);

  // magnitude = significand * 2^(exponent - 150), exponent >= 1; a float32 subnormal has no hidden bit.
  const bool normal = magnitude >= 0x800000;
  const int exponent = normal ? static_cast<int>(magnitude >> 23) : 1;
  const uint32_t significand = (magnitude & 0x7FFFFF) | (normal ? 0x800000 : 0);

  // Below the format's smallest normal the spacing stays, so more of the significand is dropped instead. Rounding up
  // to the next power of two carries into the exponent by itself.
  const int target = exponent - 127 + F.bias;
  const int below = target < 1 ? 1 - target : 0;
  const uint32_t kept = round_shift(significand, kDrop + below, rounding, random);
  const uint32_t code = kept + (static_cast<uint32_t>(target + below - 1) << F.mantissa_bits);

  const bool stops = overflow == Overflow::saturate || (rounding == Rounding::toward_zero && magnitude != kInfinity);
  const uint32_t limit = F.max_code + (stops ? 0 : 1);
  return sign | (code < limit ? code : limit);
}

/// The value of a code (sign bit included), exact. NaNs come out quiet, with their sign and their payload on top.
template <Minifloat F>
constexpr float decode_minifloat(uint32_t code) {
  constexpr int kShift = 23 - F.mantissa_bits;
  const uint32_t sign = (code & F.sign_bit()) != 0 ? 0x80000000 : 0;
  const uint32_t magnitude = code & (F.sign_bit() - 1);
  if (magnitude > F.max_code) {
    const bool infinite = F.has_infinity && magnitude == F.max_code + 1;
    return std::bit_cast<float>(sign | (infinite ? 0x7F800000 : 0x7FC00000 | (magnitude << kShift)));
  }
  if (magnitude >> F.mantissa_bits != 0) {
    return std::bit_cast<float>(sign | ((magnitude << kShift) + (static_cast<uint32_t>(127 - F.bias) << 23)));
  }
  constexpr auto kSmallest = std::bit_cast<float>(static_cast<uint32_t>(128 - F.bias - F.mantissa_bits) << 23);
  const float subnormal = static_cast<float>(magnitude) * kSmallest;
  return sign != 0 ? -subnormal : subnormal;
}

}  // namespace octet
