#pragma once
#include "numeric/minifloat.h"

namespace octet {

/// IEEE 754 binary16: bias 15, largest 65504 (0x7BFF), smallest normal 2^-14, smallest 2^-24, infinity 0x7C00.
inline constexpr Minifloat kFp16{5, 10, 15, 0x7BFF, 0x7E00, true};
inline constexpr float kFp16Max = 65504.0f;

/// NaNs come out quiet with sign and payload kept, as in x86's vcvtph2ps.
constexpr float fp16_to_float(uint16_t code) {
  return decode_minifloat<kFp16>(code);
}

/// As IEEE 754 has it: overflow gives ±infinity unless `overflow` says saturate. A NaN keeps its sign and the upper
/// bits of its payload and becomes quiet, as in x86's vcvtps2ph.
constexpr uint16_t float_to_fp16(float x, Rounding rounding = Rounding::half_even, uint32_t random = 0,
                                 Overflow overflow = Overflow::infinity) {
  return static_cast<uint16_t>(encode_minifloat<kFp16>(x, rounding, random, overflow));
}

}  // namespace octet
