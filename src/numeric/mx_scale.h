#pragma once
#include <bit>
#include <cstdint>

#include "numeric/e8m0.h"
#include "numeric/minifloat.h"

namespace octet {

/// How the power-of-two scale of an MX block follows from the block's largest magnitude a, for elements whose largest
/// value is 1.75 * 2^emax (E4M3: emax 8, E5M2: emax 15).
enum class MxRule : uint8_t {
  floor,               ///< floor(log2 a) - emax: OCP's, saturates where a > 1.75 * 2^k; torchao's default
  rceil,               ///< a * (1 / largest) rounded up to a power of two: TransformerEngine, torchao
  ceil,                ///< ceil(log2 a) - emax: torchao
  even,                ///< floor(log2 (a rounded to the element's mantissa, ties up)) - emax: torchao; may saturate
  compressed_tensors,  ///< `even` with one mantissa bit whatever the element: never saturates
};

/// The E8M0 code of a block's scale; its elements are cast(x * e8m0_reciprocal(code)). amax >= 0. Clamped to [0, 254]:
/// a zero or tiny block gives 0, infinity 254; NaN gives 0xFF. DeepSeek's ue8m0 is rceil of max(amax, 1e-4).
template <Minifloat Element>
constexpr uint8_t mx_scale(float amax, MxRule rule = MxRule::compressed_tensors) {
  constexpr int kEmax = static_cast<int>(Element.max_code >> Element.mantissa_bits) - Element.bias;
  constexpr float kReciprocal = 1.0f / decode_minifloat<Element>(Element.max_code);
  if (amax != amax) return kE8m0Nan;
  const uint32_t bits = std::bit_cast<uint32_t>(amax) & 0x7FFFFFFF;
  if (bits == 0x7F800000) return kE8m0MaxCode;

  int code = 0;
  switch (rule) {
    case MxRule::floor:
      code = static_cast<int>(bits >> 23) - kEmax;
      break;
    case MxRule::rceil: {
      // Of a float32 subnormal only what exceeds 2^-127 needs code 1.
      const auto scaled = std::bit_cast<uint32_t>(std::bit_cast<float>(bits) * kReciprocal);
      code = scaled < 0x800000 ? (scaled > 0x400000 ? 1 : 0) : static_cast<int>((scaled + 0x7FFFFF) >> 23);
      break;
    }
    case MxRule::ceil:
      code = static_cast<int>((bits + 0x7FFFFF) >> 23) - kEmax;
      break;
    case MxRule::even:
      code = static_cast<int>((bits + (uint32_t{1} << (22 - Element.mantissa_bits))) >> 23) - kEmax;
      break;
    case MxRule::compressed_tensors:
      code = static_cast<int>((bits + (uint32_t{1} << 21)) >> 23) - kEmax;
      break;
  }
  return static_cast<uint8_t>(code < 0 ? 0 : (code > kE8m0MaxCode ? kE8m0MaxCode : code));
}

}  // namespace octet
