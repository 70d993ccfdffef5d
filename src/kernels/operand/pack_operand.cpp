// The right side, in panels of 32 lines, a step of all of them after another. A source that lies across is rounded in
// that order; of one that lies along its lines, rounded words are turned.
#include <algorithm>
#include <cstring>

#include "kernels/operand/list.h"
#include "kernels/operand/rounding.h"

namespace octet::kernels {
namespace {

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// What tiles read as 0: they read INT8 as code + 128.
uint32_t flip_of(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::int8 ? 0x80808080 : 0;
}

void shape(PackedWeight::Layout& l, const OperandSource& source, Arithmetic arithmetic) {
  l.n = source.lines();
  l.k = source.depth();
  l.input = tag_of(arithmetic);
  l.arithmetic = arithmetic;
  l.encoding = Encoding::direct;
  l.segments = segments_of(l.k, 0, 0, arithmetic);
  l.steps = l.segments.back().first_step + l.segments.back().steps;
  l.weight_groups = 1;
  l.panels = divide_up(l.n, kPanel);
  plan_pieces(l);
  l.codes.grow(static_cast<size_t>(l.panels * l.steps * kPanelStepBytes));
  l.scales.grow(static_cast<size_t>(l.panels * kPanel) * sizeof(float));
}

uint32_t* words_of(PackedWeight::Layout& l, int64_t panel, int64_t begin) {
  return l.codes.as<uint32_t>() + (panel * l.steps + begin / elements_of_step(l.arithmetic)) * kPanel;
}

void pack_columns(PackedWeight::Layout& l, const OperandRounding& rounding, Threads& threads) {
  const uint32_t flip = flip_of(l.arithmetic);
  threads.for_range(divide_up(l.k, kColumnStretch), 1, [&](int64_t first, int64_t end) {
    for (int64_t begin = first * kColumnStretch; begin < std::min(l.k, end * kColumnStretch); begin += kColumnStretch) {
      const int64_t count = std::min(kColumnStretch, l.k - begin);
      for (int64_t p = 0; p < l.panels; ++p) {
        rounding.round_columns(p * kPanel, begin, count, flip, words_of(l, p, begin));
        if (begin + count < l.k) continue;
        const int64_t steps = divide_up(l.k, elements_of_step(l.arithmetic));
        uint32_t* codes = words_of(l, p, 0);
        std::fill(codes + steps * kPanel, codes + l.steps * kPanel, flip);
      }
    }
  });
}

void pack_rows(PackedWeight::Layout& l, const OperandRounding& rounding, int64_t panel) {
  const int64_t first = panel * kPanel, lines = std::min<int64_t>(kPanel, l.n - first);
  const int64_t element = rounding.element_bytes();
  const uint32_t flip = flip_of(l.arithmetic);
  thread_local Buffer scratch;
  constexpr int64_t kStride = kRowStretch * kStepBytes + 64;
  scratch.grow(static_cast<size_t>(kPanel * kStride));
  std::memset(scratch.data() + lines * kStride, 0, static_cast<size_t>((kPanel - lines) * kStride));
  for (int64_t begin = 0; begin < l.k; begin += kRowStretch) {
    const int64_t count = std::min(kRowStretch, l.k - begin), used = count * element;
    const bool last = begin + count == l.k;
    const int64_t steps = last ? l.steps - begin * element / kStepBytes : used / kStepBytes;
    for (int64_t i = 0; i < lines; ++i) {
      std::byte* to = scratch.data() + i * kStride;
      rounding.round_row(first + i, begin, count, rounding.row_scales(first + i, begin, count), to);
      std::memset(to + used, 0, static_cast<size_t>(steps * kStepBytes - used));
    }
    uint32_t* to = words_of(l, panel, begin);
    operand_kernel().transpose(scratch.as<uint32_t>(), kStride / kStepBytes, kPanel, steps, to, kPanel);
    if (flip == 0) continue;
    for (int64_t i = 0; i < steps * kPanel; ++i) to[i] ^= flip;
  }
}

}  // namespace

void pack_operand(PackedWeight::Layout& l, const OperandSource& source, const OperandFormat& format,
                  const OperandFormat& left, Threads& threads) {
  const Arithmetic arithmetic = arithmetic_of(format, left);
  const OperandRounding rounding(source, format, arithmetic, threads);
  shape(l, source, arithmetic);
  float* scales = l.scales.as<float>();
  for (int64_t i = 0; i < l.panels * kPanel; ++i) scales[i] = i < l.n ? rounding.scale(i) : 1;
  if (source.transposed) return pack_columns(l, rounding, threads);
  threads.for_range(l.panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) pack_rows(l, rounding, p);
  });
}

}  // namespace octet::kernels
