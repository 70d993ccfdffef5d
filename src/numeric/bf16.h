#pragma once
#include "numeric/minifloat.h"

namespace octet {

/// bfloat16, the upper half of a float32: bias 127, largest 0x7F7F, infinity 0x7F80, NaN above.
inline constexpr Minifloat kBf16{8, 7, 127, 0x7F7F, 0x7FC0, true};
inline constexpr float kBf16Max = 0x1.FEp127f;

/// Every bit is kept, those of a signalling NaN too.
constexpr float bf16_to_float(uint16_t code) {
  return std::bit_cast<float>(static_cast<uint32_t>(code) << 16);
}

/// As IEEE 754 has it: overflow gives ±infinity unless `overflow` says saturate; subnormals are rounded like the rest.
/// A NaN keeps its sign and the upper bits of its payload and becomes quiet, as in x86's vcvtneps2bf16.
constexpr uint16_t float_to_bf16(float x, Rounding rounding = Rounding::half_even, uint32_t random = 0,
                                 Overflow overflow = Overflow::infinity) {
  return static_cast<uint16_t>(encode_minifloat<kBf16>(x, rounding, random, overflow));
}

}  // namespace octet
