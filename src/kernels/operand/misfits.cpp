#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/operand/rounding.h"

namespace octet::kernels {
namespace {

/// |x · multiplier| from here on rounds beyond the largest: the middle to the next step, where half to even takes it.
float overflow_of(Element element) {
  constexpr float kAboveMiddle = 0x1.d00002p8f;  // 464 itself becomes 448
  return element == Element::e4m3 ? kAboveMiddle : element == Element::e5m2 ? 61440.0f : 127.5f;
}

template <typename Code>
void count(const float* x, const Code* codes, int64_t n, float multiplier, float overflow, Misfits& counts) {
  int64_t above = 0, below = 0;
  for (int64_t i = 0; i < n; ++i) {
    above += std::abs(x[i] * multiplier) >= overflow ? 1 : 0;
    below += codes[i] == 0 && x[i] != 0 ? 1 : 0;
  }
  counts.add({n, above, below});
}

Misfits count_row(const OperandSource& source, const OperandFormat& format, const OperandRounding& rounding,
                  int64_t line) {
  Misfits counts;
  thread_local float rounded[kRowStretch];
  const float overflow = overflow_of(format.element);
  for (int64_t begin = 0; begin < source.columns; begin += kRowStretch) {
    const int64_t numbers = std::min(kRowStretch, source.columns - begin);
    const auto scales = rounding.row_scales(line, begin, numbers);
    rounding.round_row(line, begin, numbers, scales, rounded);
    const float* x = source.x + line * source.columns + begin;
    for (int64_t at = 0; at < numbers; at += scales.group) {
      const int64_t n = std::min(scales.group, numbers - at);
      const float multiplier = scales.multipliers[at / scales.group];
      if (format.element == Element::int8) {
        count(x + at, reinterpret_cast<const int8_t*>(rounded) + at, n, multiplier, overflow, counts);
      } else {
        count(x + at, rounded + at, n, multiplier, overflow, counts);
      }
    }
  }
  return counts;
}

}  // namespace

Misfits count_misfits(const OperandSource& source, const OperandFormat& format, Threads& threads) {
  if (format.element == Element::f32 || format.element == Element::bf16) return {};
  if (source.transposed) fail("misfits are counted along rows");
  const Arithmetic arithmetic = format.element == Element::int8 ? Arithmetic::int8 : Arithmetic::f32;
  const OperandRounding rounding(source, format, arithmetic, threads);
  std::vector<Misfits> parts(static_cast<size_t>(source.rows));
  threads.for_range(source.rows, kPanel, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      parts[static_cast<size_t>(row)] = count_row(source, format, rounding, row);
    }
  });
  Misfits counts;
  for (const Misfits& part : parts) counts.add(part);
  return counts;
}

}  // namespace octet::kernels
