// Scales: from the largest magnitude to what numbers are multiplied with.
#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/operand/list.h"
#include "kernels/operand/operand.h"
#include "numeric/formats.h"
#include "numeric/mx_scale.h"

namespace octet::kernels {

float largest_of(Element element) {
  switch (element) {
    case Element::e4m3:
      return kE4m3Max;
    case Element::e5m2:
      return kE5m2Max;
    case Element::int8:
      return kInt8Max;
    default:
      return 1;
  }
}

Multiplier multiplier_of(Element element, ScaleRule rule, float largest) {
  if (rule == ScaleRule::mx) {
    const uint8_t code =
        element == Element::e5m2 ? mx_scale<kE5m2>(largest, MxRule::rceil) : mx_scale<kE4m3>(largest, MxRule::rceil);
    return {e8m0_reciprocal(code), e8m0_to_float(code)};
  }
  if (!(largest > 0) || std::isinf(largest)) return {1, 1};
  float multiplier = largest_of(element) / largest;
  if (std::isinf(multiplier)) multiplier = 0x1.FFFFFEp127f;
  if (rule == ScaleRule::power_of_two)
    multiplier = std::bit_cast<float>(std::bit_cast<uint32_t>(multiplier) & 0xFF800000);
  return {multiplier, 1 / multiplier};
}

float largest_magnitude(const float* x, int64_t n, Threads& threads) {
  constexpr int64_t kPart = int64_t{1} << 16;
  std::vector<float> parts(static_cast<size_t>((n + kPart - 1) / kPart));
  threads.for_range(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      parts[static_cast<size_t>(i)] = operand_kernel().largest(x + i * kPart, std::min(kPart, n - i * kPart));
    }
  });
  return operand_kernel().largest(parts.data(), static_cast<int64_t>(parts.size()));
}

}  // namespace octet::kernels
