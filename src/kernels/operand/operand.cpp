// Lines of an operand are made 32 at a time (a panel of the right side), in stretches of its depth that stay in the
// second-level cache: numbers as F32, then rounded, then in the order in which the tiles read them.
#include "kernels/operand/operand.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/quantize/quantize.h"
#include "numeric/mx_scale.h"

namespace octet::kernels {

std::span<const Kernel<const OperandKernel>> operand_kernels() {
  static constexpr Kernel<const OperandKernel> kList[] = {
#if defined(__x86_64__)
      {"avx512", kAvx512, &kOperandAvx512},
      {"avx2", kAvx2, &kOperandAvx2},
#elif defined(__aarch64__)
      {"neon", kNeon, &kOperandNeon},
#endif
      {"reference", 0, &kOperandReference},
  };
  return kList;
}

std::vector<FamilyChoice> explain_operand() {
  return {explain("operands of training", operand_kernels())};
}

bool OperandFormat::operator==(const OperandFormat& o) const {
  return element == o.element && sharing == o.sharing && rule == o.rule && group == o.group && lines == o.lines &&
         multiplier == o.multiplier && !random && !o.random;
}

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

namespace {

constexpr int64_t kStretch = 1024;  // of depth: a multiple of every group

const OperandKernel& kernel() {
  static const OperandKernel& chosen = *choose(operand_kernels()).run;
  return chosen;
}

bool is_scaled(const OperandFormat& format) {
  return format.sharing != Sharing::none;
}
bool is_grouped(const OperandFormat& format) {
  return format.sharing == Sharing::group || format.sharing == Sharing::block;
}

/// What the multiplier sees; both sides have to agree.
Arithmetic arithmetic_of(const OperandFormat& a, const OperandFormat& b) {
  if ((a.element == Element::int8) != (b.element == Element::int8)) fail("INT8 can be multiplied with INT8 only");
  if (a.element == Element::int8) return Arithmetic::int8;
  return a.element == Element::f32 || b.element == Element::f32 ? Arithmetic::f32 : bf16_arithmetic();
}

InputFormat tag_of(Arithmetic arithmetic) {
  return {arithmetic == Arithmetic::int8 ? Format::INT8 : arithmetic == Arithmetic::bf16 ? Format::BF16 : Format::F32};
}

void check(const OperandSource& source, const OperandFormat& format) {
  if (source.rows < 1 || source.columns < 1 || source.rows > (int64_t{1} << 40) / source.columns) {
    fail("an operand of {} x {} cannot be", source.rows, source.columns);
  }
  if (is_grouped(format) && (format.group < 4 || format.group % 4 != 0 || kStretch % format.group != 0)) {
    fail("scales cannot be shared by {} numbers; it must be a power of two between 4 and {}", format.group, kStretch);
  }
  if (is_scaled(format) && (format.element == Element::f32 || format.element == Element::bf16)) {
    fail("F32 and BF16 have no scales");
  }
}

/// Makes numbers of lines.
class Lines {
 public:
  Lines(const OperandSource& source, const OperandFormat& format, Arithmetic arithmetic, Threads& threads)
      : s_(source), f_(format), arithmetic_(arithmetic) {
    check(source, format);
    if (f_.sharing == Sharing::block) find_blocks(threads);
  }

  int64_t element_bytes() const { return kStepBytes / elements_of_step(arithmetic_); }
  int64_t groups() const {
    if (!is_scaled(f_)) return 0;
    return is_grouped(f_) ? (s_.depth() + f_.group - 1) / f_.group : 1;
  }

  /// Numbers [begin, begin + count) of lines [line, line + lines) as F32, rows `stride` apart; in place where they lie
  /// so.
  const float* floats(int64_t line, int64_t lines, int64_t begin, int64_t count, int64_t& stride) const {
    if (!s_.transposed) {
      stride = s_.columns;
      return s_.x + line * s_.columns + begin;
    }
    thread_local Buffer scratch;
    stride = kStretch + 16;  // not a power of two: lines would share few sets of the cache
    scratch.grow(static_cast<size_t>(kPanel * stride) * sizeof(float));
    kernel().transpose(reinterpret_cast<const uint32_t*>(s_.x + begin * s_.columns + line), s_.columns, count, lines,
                       scratch.as<uint32_t>(), stride);
    return scratch.as<float>();
  }

  /// Multipliers of lines [line, line + lines) that share one each.
  void find_line_multipliers(int64_t line, int64_t lines, Multiplier* multipliers) const {
    float largest[kPanel] = {};
    for (int64_t begin = 0; begin < s_.depth(); begin += kStretch) {
      const int64_t count = std::min(kStretch, s_.depth() - begin);
      int64_t stride;
      const float* x = floats(line, lines, begin, count, stride);
      for (int64_t i = 0; i < lines; ++i) {
        const float here = kernel().largest(x + i * stride, count);
        if (!(here <= largest[i])) largest[i] = here;  // NaN stays: it compares with nothing
      }
    }
    for (int64_t i = 0; i < lines; ++i) multipliers[i] = multiplier_of(f_.element, f_.rule, largest[i]);
  }

  /// Rounds numbers [begin, begin + count) of lines. `out(i)` is where line i's go, `scale(i, group, inverse)` takes
  /// scales.
  template <typename Out, typename Scale>
  void round(int64_t line, int64_t lines, int64_t begin, int64_t count, const Multiplier* of_lines, const Out& out,
             const Scale& scale) const {
    int64_t stride;
    const float* x = floats(line, lines, begin, count, stride);
    thread_local Buffer random;
    if (f_.random) random.grow(static_cast<size_t>(kStretch + 4) * sizeof(uint32_t));
    for (int64_t i = 0; i < lines; ++i) {
      RoundLine r{x + i * stride, count, 1, f_.element, arithmetic_ == Arithmetic::f32};
      r.out = out(i);
      if (f_.random) {
        const auto first = static_cast<uint64_t>((line + i) * ((s_.depth() + 3) / 4) + begin / 4);
        kernel().random(f_.random->key()[0], f_.random->key()[1], f_.random->step(), f_.random->tensor(), first,
                        (count + 3) / 4, random.as<uint32_t>());
        r.random = random.as<uint32_t>();
      }
      if (!is_grouped(f_)) {
        if (f_.sharing == Sharing::tensor) r.multiplier = f_.multiplier;
        if (f_.sharing == Sharing::line) r.multiplier = of_lines[i].multiplier;
        kernel().round(r);
        continue;
      }
      round_groups(r, line + i, begin, [&](int64_t group, float inverse) { scale(i, group, inverse); });
    }
  }

  float inverse_of_tensor() const { return 1 / f_.multiplier; }

 private:
  template <typename Scale>
  void round_groups(const RoundLine& whole, int64_t line, int64_t begin, const Scale& scale) const {
    for (int64_t at = 0; at < whole.n; at += f_.group) {
      const int64_t group = (begin + at) / f_.group;
      RoundLine r = whole;
      r.x += at;
      r.n = std::min(f_.group, whole.n - at);
      if (r.random) r.random += at;
      r.out = static_cast<std::byte*>(whole.out) + at * element_bytes();
      const Multiplier m = f_.sharing == Sharing::block
                               ? blocks_[static_cast<size_t>(line / f_.lines * groups() + group)]
                               : multiplier_of(f_.element, f_.rule, kernel().largest(r.x, r.n));
      r.multiplier = m.multiplier;
      kernel().round(r);
      scale(group, m.inverse);
    }
  }

  /// Blocks are squares, so that they are the same for x and its transpose.
  void find_blocks(Threads& threads) {
    if (f_.lines != f_.group) fail("blocks that share a scale must be square, not {} x {}", f_.lines, f_.group);
    const int64_t down = (s_.rows + f_.lines - 1) / f_.lines, across = (s_.columns + f_.group - 1) / f_.group;
    blocks_.resize(static_cast<size_t>(down * across));
    threads.for_range(down * across, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = i / across * f_.lines, column = i % across * f_.group;
        const int64_t rows = std::min(f_.lines, s_.rows - row), columns = std::min(f_.group, s_.columns - column);
        float largest = 0;
        for (int64_t r = 0; r < rows; ++r) {
          const float here = kernel().largest(s_.x + (row + r) * s_.columns + column, columns);
          if (!(here <= largest)) largest = here;
        }
        const int64_t at = s_.transposed ? i % across * down + i / across : i;
        blocks_[static_cast<size_t>(at)] = multiplier_of(f_.element, f_.rule, largest);
      }
    });
  }

  const OperandSource& s_;
  const OperandFormat& f_;
  Arithmetic arithmetic_;
  std::vector<Multiplier> blocks_;
};

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t group_of(const OperandFormat& format) {
  return is_grouped(format) ? format.group : 0;
}

void shape_right(PackedWeight::Layout& l, const OperandSource& source, const Lines& lines, int64_t group,
                 int64_t left_group, Arithmetic arithmetic) {
  l.n = source.lines();
  l.k = source.depth();
  l.input = tag_of(arithmetic);
  l.arithmetic = arithmetic;
  l.encoding = Encoding::direct;
  l.segments = segments_of(l.k, group, left_group, arithmetic);
  l.steps = l.segments.back().first_step + l.segments.back().steps;
  l.weight_groups = std::max<int64_t>(1, lines.groups());
  l.panels = divide_up(l.n, kPanel);
  plan_pieces(l);
  l.codes.grow(static_cast<size_t>(l.panels * l.steps * kPanelStepBytes));
  l.scales.grow(static_cast<size_t>(l.panels * l.weight_groups * kPanel) * sizeof(float));
}

/// F32 of a transposed source lies as the tiles read it already: 32 numbers of a row.
void copy_panel(PackedWeight::Layout& l, const OperandSource& s, int64_t panel) {
  auto* to = l.codes.as<float>() + panel * l.steps * kPanel;
  const int64_t first = panel * kPanel, lines = std::min<int64_t>(kPanel, l.n - first);
  for (int64_t k = 0; k < l.steps; ++k, to += kPanel) {
    if (k < l.k && lines == kPanel) {
      std::memcpy(to, s.x + k * s.columns + first, kPanel * sizeof(float));
      continue;
    }
    for (int64_t i = 0; i < kPanel; ++i) to[i] = k < l.k && i < lines ? s.x[k * s.columns + first + i] : 0.0f;
  }
}

void pack_panel(PackedWeight::Layout& l, const OperandFormat& format, const Lines& lines, int64_t panel) {
  const int64_t first = panel * kPanel, count = std::min<int64_t>(kPanel, l.n - first);
  const int64_t element = lines.element_bytes();
  float* scales = l.scales.as<float>() + panel * l.weight_groups * kPanel;
  std::fill(scales, scales + l.weight_groups * kPanel, 1.0f);
  Multiplier multipliers[kPanel];
  if (format.sharing == Sharing::line) {
    lines.find_line_multipliers(first, count, multipliers);
    for (int64_t i = 0; i < count; ++i) scales[i] = multipliers[i].inverse;
  }
  if (format.sharing == Sharing::tensor) std::fill(scales, scales + count, lines.inverse_of_tensor());

  thread_local Buffer scratch;
  constexpr int64_t kStride = kStretch * kStepBytes + 64;
  scratch.grow(static_cast<size_t>(kPanel * kStride));
  for (int64_t begin = 0; begin < l.k; begin += kStretch) {
    const int64_t numbers = std::min(kStretch, l.k - begin), steps = divide_up(numbers * element, kStepBytes);
    if (count < kPanel)
      std::memset(scratch.data() + count * kStride, 0, static_cast<size_t>((kPanel - count) * kStride));
    lines.round(
        first, count, begin, numbers, multipliers, [&](int64_t i) { return scratch.data() + i * kStride; },
        [&](int64_t i, int64_t group, float inverse) { scales[group * kPanel + i] = inverse; });
    const bool last = begin + numbers == l.k;
    const int64_t padded = last ? l.steps - begin * element / kStepBytes : steps;
    for (int64_t i = 0; i < count; ++i) {
      std::memset(scratch.data() + i * kStride + numbers * element, 0,
                  static_cast<size_t>(padded * kStepBytes - numbers * element));
    }
    auto* to = l.codes.as<uint32_t>() + (panel * l.steps + begin * element / kStepBytes) * kPanel;
    kernel().transpose(scratch.as<uint32_t>(), kStride / kStepBytes, kPanel, padded, to, kPanel);
    if (l.arithmetic != Arithmetic::int8) continue;
    for (int64_t i = 0; i < padded * kPanel; ++i) to[i] ^= 0x80808080;  // tiles read code + 128
  }
}

}  // namespace

float largest_magnitude(const float* x, int64_t n, Threads& threads) {
  constexpr int64_t kPart = int64_t{1} << 16;
  std::vector<float> parts(static_cast<size_t>(divide_up(n, kPart)));
  threads.for_range(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      parts[static_cast<size_t>(i)] = kernel().largest(x + i * kPart, std::min(kPart, n - i * kPart));
    }
  });
  return kernel().largest(parts.data(), static_cast<int64_t>(parts.size()));
}

void pack_operand(PackedWeight::Layout& l, const OperandSource& source, const OperandFormat& format,
                  const OperandFormat& left, Threads& threads) {
  const Arithmetic arithmetic = arithmetic_of(format, left);
  const Lines lines(source, format, arithmetic, threads);
  shape_right(l, source, lines, group_of(format), group_of(left), arithmetic);
  threads.for_range(l.panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      if (format.element == Element::f32 && source.transposed) {
        copy_panel(l, source, p);
        float* scales = l.scales.as<float>() + p * kPanel;
        std::fill(scales, scales + kPanel, 1.0f);
      } else {
        pack_panel(l, format, lines, p);
      }
    }
  });
}

void prepare_operand(PreparedInput::Layout& l, const OperandSource& source, const OperandFormat& format,
                     const OperandFormat& right, Threads& threads) {
  const Arithmetic arithmetic = arithmetic_of(format, right);
  const Lines lines(source, format, arithmetic, threads);
  l.format = tag_of(arithmetic);
  l.held = arithmetic;
  l.m = source.lines();
  l.k = source.depth();
  l.groups = lines.groups();
  const int64_t element = lines.element_bytes(), used = l.k * element;
  // An odd number of cache lines: rows of a power of two would all fall into the same few sets of the cache.
  l.row_bytes = ((used + 63) / 64 | 1) * 64;
  l.rows.grow(static_cast<size_t>(l.m * l.row_bytes));
  l.scales.grow(static_cast<size_t>(l.m * l.groups + kReadable) * sizeof(float));
  std::vector<Segment> segments;
  if (arithmetic == Arithmetic::int8) segments = segments_of(l.k, group_of(right), group_of(format), arithmetic);
  l.sum_segments = static_cast<int64_t>(segments.size());
  l.sums.grow(static_cast<size_t>(l.m * l.sum_segments + kReadable) * sizeof(int32_t));
  float* scales = l.scales.as<float>();
  threads.for_range(divide_up(l.m, kPanel), 1, [&](int64_t first, int64_t end) {
    for (int64_t p = first; p < end; ++p) {
      const int64_t line = p * kPanel, count = std::min<int64_t>(kPanel, l.m - line);
      Multiplier multipliers[kPanel];
      if (format.sharing == Sharing::line) lines.find_line_multipliers(line, count, multipliers);
      for (int64_t i = 0; i < count; ++i) {
        if (format.sharing == Sharing::line) scales[line + i] = multipliers[i].inverse;
        if (format.sharing == Sharing::tensor) scales[line + i] = lines.inverse_of_tensor();
        std::memset(l.rows.data() + (line + i) * l.row_bytes + used, 0, static_cast<size_t>(l.row_bytes - used));
      }
      for (int64_t begin = 0; begin < l.k; begin += kStretch) {
        lines.round(
            line, count, begin, std::min(kStretch, l.k - begin), multipliers,
            [&](int64_t i) { return l.rows.data() + (line + i) * l.row_bytes + begin * element; },
            [&](int64_t i, int64_t group, float inverse) { scales[group * l.m + line + i] = inverse; });
      }
      for (size_t s = 0; s < segments.size(); ++s) {
        for (int64_t i = 0; i < count; ++i) {
          l.sums.as<int32_t>()[static_cast<int64_t>(s) * l.m + line + i] =
              sum_codes(reinterpret_cast<const int8_t*>(l.rows.data() + (line + i) * l.row_bytes) + segments[s].begin,
                        segments[s].count);
        }
      }
    }
  });
}

void multiply(const PreparedInput::Layout& left, const PackedWeight::Layout& right, const float* bias, float* y,
              int64_t stride, Threads& threads) {
  gemm_with(best_kernels(right.arithmetic), left, right, bias, y, stride, threads);
}

}  // namespace octet::kernels
