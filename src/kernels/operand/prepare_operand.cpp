// The left side, line by line. A source that lies across its lines is rounded as it lies, then words are turned.
#include <algorithm>
#include <cstring>

#include "kernels/operand/list.h"
#include "kernels/operand/rounding.h"
#include "kernels/quantize/quantize.h"

namespace octet::kernels {
namespace {

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

void shape(PreparedInput::Layout& l, const OperandSource& source, const OperandRounding& rounding,
           Arithmetic arithmetic) {
  l.format = tag_of(arithmetic);
  l.held = arithmetic;
  l.m = source.lines();
  l.k = source.depth();
  l.groups = rounding.has_scales() ? 1 : 0;
  // An odd number of cache lines: rows of a power of two would all fall into the same few sets of the cache.
  l.row_bytes = (divide_up(l.k * rounding.element_bytes(), 64) | 1) * 64;
  l.rows.grow(static_cast<size_t>(l.m * l.row_bytes));
  l.scales.grow(static_cast<size_t>(l.m * l.groups + kReadable) * sizeof(float));
}

void clear_rest(PreparedInput::Layout& l, int64_t line, int64_t element) {
  const int64_t used = l.k * element;
  std::memset(l.rows.data() + line * l.row_bytes + used, 0, static_cast<size_t>(l.row_bytes - used));
}

void prepare_rows(PreparedInput::Layout& l, const OperandRounding& rounding, Threads& threads) {
  const int64_t element = rounding.element_bytes();
  threads.for_range(l.m, kPanel, [&](int64_t first, int64_t end) {
    for (int64_t line = first; line < end; ++line) {
      for (int64_t begin = 0; begin < l.k; begin += kRowStretch) {
        const int64_t count = std::min(kRowStretch, l.k - begin);
        rounding.round_row(line, begin, count, rounding.row_scales(line, begin, count),
                           l.rows.data() + line * l.row_bytes + begin * element);
      }
      clear_rest(l, line, element);
    }
  });
}

/// Lines [line, line + kPanel), numbers [begin, begin + count).
void prepare_columns(PreparedInput::Layout& l, const OperandSource& source, const OperandFormat& format,
                     const OperandRounding& rounding, int64_t line, int64_t begin, int64_t count) {
  const int64_t lines = std::min<int64_t>(kPanel, l.m - line), element = rounding.element_bytes();
  auto* to = reinterpret_cast<uint32_t*>(l.rows.data() + line * l.row_bytes + begin * element);
  const int64_t stride = l.row_bytes / kStepBytes, words = divide_up(count * element, kStepBytes);
  if (format.element == Element::f32) {  // nothing to round
    const float* from = source.x + begin * source.columns + line;
    return operand_kernel().transpose(reinterpret_cast<const uint32_t*>(from), source.columns, count, lines, to,
                                      stride);
  }
  alignas(64) thread_local uint32_t scratch[kColumnStretch * kPanel];
  rounding.round_columns(line, begin, count, 0, scratch);
  operand_kernel().transpose(scratch, kPanel, words, lines, to, stride);
}

void prepare_columns(PreparedInput::Layout& l, const OperandSource& source, const OperandFormat& format,
                     const OperandRounding& rounding, Threads& threads) {
  threads.for_range(divide_up(l.k, kColumnStretch), 1, [&](int64_t first, int64_t end) {
    for (int64_t begin = first * kColumnStretch; begin < std::min(l.k, end * kColumnStretch); begin += kColumnStretch) {
      const int64_t count = std::min(kColumnStretch, l.k - begin);
      for (int64_t line = 0; line < l.m; line += kPanel) {
        prepare_columns(l, source, format, rounding, line, begin, count);
      }
      if (begin + count < l.k) continue;
      for (int64_t line = 0; line < l.m; ++line) clear_rest(l, line, rounding.element_bytes());
    }
  });
}

/// Sums of the INT8 codes, as products need them.
void sum_lines(PreparedInput::Layout& l, Threads& threads) {
  const std::vector<Segment> segments = segments_of(l.k, 0, 0, Arithmetic::int8);
  l.sum_segments = static_cast<int64_t>(segments.size());
  l.sums.grow(static_cast<size_t>(l.m * l.sum_segments + kReadable) * sizeof(int32_t));
  threads.for_range(l.m, kPanel, [&](int64_t begin, int64_t end) {
    for (int64_t s = 0; s < l.sum_segments; ++s) {
      const Segment& segment = segments[static_cast<size_t>(s)];
      for (int64_t line = begin; line < end; ++line) {
        const auto* codes = reinterpret_cast<const int8_t*>(l.rows.data() + line * l.row_bytes);
        l.sums.as<int32_t>()[s * l.m + line] = sum_codes(codes + segment.begin, segment.count);
      }
    }
  });
}

}  // namespace

void prepare_operand(PreparedInput::Layout& l, const OperandSource& source, const OperandFormat& format,
                     const OperandFormat& right, Threads& threads) {
  const Arithmetic arithmetic = arithmetic_of(format, right);
  const OperandRounding rounding(source, format, arithmetic, threads);
  shape(l, source, rounding, arithmetic);
  for (int64_t line = 0; line < l.m * l.groups; ++line) l.scales.as<float>()[line] = rounding.scale(line);
  source.transposed ? prepare_columns(l, source, format, rounding, threads) : prepare_rows(l, rounding, threads);
  l.sum_segments = 0;
  if (arithmetic == Arithmetic::int8) sum_lines(l, threads);
}

}  // namespace octet::kernels
