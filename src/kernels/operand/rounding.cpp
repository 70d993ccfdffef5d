#include "kernels/operand/rounding.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/operand/list.h"

namespace octet::kernels {
namespace {

static_assert(kRoundColumns == kPanel);

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

bool is_grouped(const OperandFormat& format) {
  return format.sharing == Sharing::group || format.sharing == Sharing::block;
}

bool is_fp8(Element element) {
  return element == Element::e4m3 || element == Element::e5m2;
}

/// A NaN stays.
void take_larger(float& largest, float x) {
  if (largest == largest && !(x <= largest)) largest = x;
}

}  // namespace

Arithmetic arithmetic_of(const OperandFormat& a, const OperandFormat& b) {
  if ((a.element == Element::int8) != (b.element == Element::int8)) fail("INT8 can be multiplied with INT8 only");
  if (a.element == Element::int8) return Arithmetic::int8;
  return a.element == Element::f32 || b.element == Element::f32 ? Arithmetic::f32 : bf16_arithmetic();
}

InputFormat tag_of(Arithmetic arithmetic) {
  return {arithmetic == Arithmetic::int8 ? Format::INT8 : arithmetic == Arithmetic::bf16 ? Format::BF16 : Format::F32};
}

OperandRounding::OperandRounding(const OperandSource& source, const OperandFormat& format, Arithmetic arithmetic,
                                 Threads& threads)
    : s_(source), f_(format), arithmetic_(arithmetic) {
  check();
  scales_.resize(kPanel);
  if (f_.sharing == Sharing::tensor) scales_.multipliers.assign(kPanel, f_.multiplier);
  if (f_.sharing == Sharing::line) find_lines(threads);
  if (f_.sharing == Sharing::block) find_blocks(threads);
}

void OperandRounding::check() const {
  if (s_.rows < 1 || s_.columns < 1 || s_.rows > (int64_t{1} << 40) / s_.columns) {
    fail("an operand of {} x {} cannot be", s_.rows, s_.columns);
  }
  if (f_.sharing != Sharing::none && !is_fp8(f_.element) && f_.element != Element::int8) {
    fail("F32 and BF16 have no scales");
  }
  if (!is_grouped(f_)) return;
  if (f_.group < kGroupUnit || f_.group > kColumnStretch || kColumnStretch % f_.group != 0) {
    fail("scales cannot be shared by {} numbers; it must be a power of two between {} and {}", f_.group, kGroupUnit,
         kColumnStretch);
  }
  if (!is_fp8(f_.element) || f_.rule == ScaleRule::largest) {
    fail("groups and blocks are of FP8 numbers, and their scales powers of two");
  }
  if (f_.sharing == Sharing::block && f_.lines != f_.group) {
    fail("blocks that share a scale must be square, not {} x {}", f_.lines, f_.group);
  }
}

float OperandRounding::scale(int64_t line) const {
  if (f_.sharing == Sharing::tensor) return 1 / f_.multiplier;
  return f_.sharing == Sharing::line ? line_inverses_[static_cast<size_t>(line)] : 1;
}

void OperandRounding::find_lines(Threads& threads) {
  const int64_t lines = divide_up(s_.lines(), kPanel) * kPanel;
  std::vector<float> largest(static_cast<size_t>(lines));
  s_.transposed ? find_column_largest(largest.data(), threads) : find_line_largest(largest.data(), threads);
  scales_.resize(largest.size());
  line_inverses_.resize(largest.size());
  for (size_t i = 0; i < largest.size(); ++i) {
    const Multiplier m = multiplier_of(f_.element, f_.rule, largest[i]);
    scales_.multipliers[i] = m.multiplier;
    line_inverses_[i] = m.inverse;
  }
}

void OperandRounding::find_line_largest(float* largest, Threads& threads) const {
  threads.for_range(s_.rows, kPanel, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      largest[row] = operand_kernel().largest(s_.x + row * s_.columns, s_.columns);
    }
  });
}

void OperandRounding::find_column_largest(float* largest, Threads& threads) const {
  const int64_t stretches = divide_up(s_.rows, kColumnStretch), whole = s_.columns / kPanel * kPanel;
  std::vector<float> parts(static_cast<size_t>(stretches * s_.columns));
  threads.for_range(stretches, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* x = s_.x + i * kColumnStretch * s_.columns;
      const int64_t rows = std::min(kColumnStretch, s_.rows - i * kColumnStretch);
      float* found = parts.data() + i * s_.columns;
      for (int64_t c = 0; c < whole; c += kPanel)
        operand_kernel().largest_of_columns(x + c, s_.columns, rows, found + c);
      for (int64_t c = whole; c < s_.columns; ++c) {
        for (int64_t row = 0; row < rows; ++row) take_larger(found[c], std::abs(x[row * s_.columns + c]));
      }
    }
  });
  for (int64_t i = 0; i < stretches; ++i) {
    for (int64_t c = 0; c < s_.columns; ++c) {
      take_larger(largest[c], parts[static_cast<size_t>(i * s_.columns + c)]);
    }
  }
}

/// Blocks are squares, so that they are the same for x and its transpose.
void OperandRounding::find_blocks(Threads& threads) {
  const int64_t down = divide_up(s_.rows, f_.lines);
  blocks_across_ = divide_up(s_.columns, f_.group);
  scales_.resize(static_cast<size_t>(down * blocks_across_));
  threads.for_range(down * blocks_across_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / blocks_across_ * f_.lines, column = i % blocks_across_ * f_.group;
      const int64_t rows = std::min(f_.lines, s_.rows - row), columns = std::min(f_.group, s_.columns - column);
      float largest = 0;
      for (int64_t r = 0; r < rows; ++r) {
        take_larger(largest, operand_kernel().largest(s_.x + (row + r) * s_.columns + column, columns));
      }
      const Multiplier m = multiplier_of(f_.element, f_.rule, largest);
      scales_.multipliers[static_cast<size_t>(i)] = m.multiplier;
      scales_.inverses[static_cast<size_t>(i)] = m.inverse;
    }
  });
}

OperandRounding::RowScales OperandRounding::row_scales(int64_t line, int64_t begin, int64_t count) const {
  size_t at = f_.sharing == Sharing::line ? static_cast<size_t>(line) : 0;
  int64_t group = kRowStretch;
  if (is_grouped(f_)) group = f_.group;
  if (f_.sharing == Sharing::block) at = static_cast<size_t>(line / f_.lines * blocks_across_ + begin / f_.group);
  if (f_.sharing != Sharing::group) return {scales_.multipliers.data() + at, scales_.inverses.data() + at, group};
  thread_local float largest[kRowStretch / kGroupUnit], multipliers[kRowStretch / kGroupUnit],
      inverses[kRowStretch / kGroupUnit];
  const OperandKernel& kernel = operand_kernel();
  kernel.largest_of_groups(s_.x + line * s_.columns + begin, count, group, largest);
  kernel.multipliers(f_.element, f_.rule, largest, divide_up(count, group), multipliers, inverses);
  return {multipliers, inverses, group};
}

void OperandRounding::round_row(int64_t line, int64_t begin, int64_t count, const RowScales& scales, void* out) const {
  RoundRow row;
  row.x = s_.x + line * s_.columns + begin;
  row.n = count;
  row.multipliers = scales.multipliers;
  row.inverses = scales.inverses;
  row.group = scales.group;
  row.element = f_.element;
  row.wide = arithmetic_ == Arithmetic::f32;
  row.out = out;
  thread_local uint32_t random[kRowStretch];
  if (f_.random) {
    const auto first = static_cast<uint64_t>(line * divide_up(s_.depth(), 4) + begin / 4);
    operand_kernel().random(f_.random->key()[0], f_.random->key()[1], f_.random->step(), f_.random->tensor(), first,
                            divide_up(count, 4), random);
    row.random = random;
  }
  operand_kernel().round(row);
}

void OperandRounding::column_scales(const float* x, int64_t stride, int64_t line, int64_t begin, int64_t count,
                                    float* multipliers, float* inverses) const {
  if (f_.sharing == Sharing::group) {
    float largest[kPanel] = {};
    operand_kernel().largest_of_columns(x, stride, count, largest);
    return operand_kernel().multipliers(f_.element, f_.rule, largest, kPanel, multipliers, inverses);
  }
  const auto block = static_cast<size_t>(begin / f_.group * blocks_across_ + line / f_.lines);
  std::fill(multipliers, multipliers + kPanel, scales_.multipliers[block]);
  std::fill(inverses, inverses + kPanel, scales_.inverses[block]);
}

void OperandRounding::round_columns(int64_t line, int64_t begin, int64_t count, uint32_t flip, uint32_t* words) const {
  RoundColumns c;
  c.x = s_.x + begin * s_.columns + line;
  c.stride = s_.columns;
  const int64_t lines = s_.columns - line;
  thread_local float padded[kColumnStretch * kPanel];
  if (lines < kPanel) {
    std::fill(std::begin(padded), std::end(padded), 0.0f);
    for (int64_t row = 0; row < count; ++row) {
      std::memcpy(padded + row * kPanel, c.x + row * c.stride, static_cast<size_t>(lines) * sizeof(float));
    }
    c.x = padded;
    c.stride = kPanel;
  }
  c.element = f_.element;
  c.wide = arithmetic_ == Arithmetic::f32;
  c.flip = flip;
  const int64_t share = is_grouped(f_) ? f_.group : count;
  const auto at = static_cast<size_t>(f_.sharing == Sharing::line ? line : 0);
  c.multipliers = scales_.multipliers.data() + at;
  c.inverses = scales_.inverses.data() + at;
  float multipliers[kPanel], inverses[kPanel];
  for (int64_t row = 0; row < count; row += share) {
    c.rows = std::min(share, count - row);
    if (is_grouped(f_)) {
      column_scales(c.x, c.stride, line, begin + row, c.rows, multipliers, inverses);
      c.multipliers = multipliers;
      c.inverses = inverses;
    }
    std::optional<RandomColumns> random;
    if (f_.random) {
      const int64_t stride = divide_up(s_.depth(), 4), first = line * stride + (begin + row) / 4;
      random = RandomColumns{f_.random->key()[0], f_.random->key()[1],          f_.random->step(),
                             f_.random->tensor(), static_cast<uint64_t>(first), static_cast<uint64_t>(stride)};
      c.random = &*random;
    }
    c.words = words + row / elements_of_step(arithmetic_) * kPanel;
    operand_kernel().round_columns(c);
    c.x += share * c.stride;
  }
}

}  // namespace octet::kernels
