#include "kernels/operand/operand.h"

#include <gtest/gtest.h>

#include "kernels/operand/list.h"
#include "numeric/formats.h"
#include "numeric/mx_scale.h"

namespace octet::kernels {
namespace {

std::vector<float> numbers(int64_t n, uint32_t tensor, float spread = 12) {
  const RandomStream random(3, 0, tensor);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) {
    const float magnitude = std::exp2(spread * (random.uniform(2 * i) - 0.5f));
    x[i] = (random.bits(2 * i + 1) & 1 ? 1 : -1) * magnitude;
  }
  return x;
}

std::vector<float> special_numbers() {
  std::vector<float> x = {0.0f,  -0.0f,  448,     464,  465,  1e9f,  57344,  61440,
                          61441, 127.5f, -127.5f, 0.5f, 1.5f, -2.5f, 0x1p-7f};
  const float inf = std::numeric_limits<float>::infinity();
  x.insert(x.end(),
           {inf, -inf, std::numeric_limits<float>::quiet_NaN(), 0x1p-149f, 0x1p-10f, 0x1.8p-10f, 0x1p-17f, 0x1.8p-17f});
  const auto more = numbers(5000, 1, 60);
  x.insert(x.end(), more.begin(), more.end());
  return x;
}

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (a != a && b != b) || (a == 0 && b == 0);
}

// Each kernel that this machine can run.
template <typename Check>
void for_each_kernel(const Check& check) {
  for (const auto& kernel : operand_kernels()) {
    if (kernel.needs & ~cpu_features()) continue;
    SCOPED_TRACE(kernel.name);
    check(*kernel.run);
  }
}

struct Rounded {
  Element element;
  bool wide;
};
constexpr Rounded kRounded[] = {{Element::f32, true},   {Element::bf16, true},  {Element::bf16, false},
                                {Element::e4m3, true},  {Element::e4m3, false}, {Element::e5m2, true},
                                {Element::e5m2, false}, {Element::int8, false}};

/// What a kernel wrote in `got` and the reference in `wanted`, number by number.
void expect_same(const Rounded& r, const std::vector<uint32_t>& got, const std::vector<uint32_t>& wanted) {
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == wanted[i]) continue;
    const auto low = [&](uint32_t word) { return r.wide ? std::bit_cast<float>(word) : bf16_to_float(word & 0xFFFF); };
    ASSERT_TRUE(r.element != Element::int8) << i;
    ASSERT_TRUE(same(low(got[i]), low(wanted[i]))) << i << " " << low(got[i]) << " " << low(wanted[i]);
    if (r.wide) continue;
    const float a = bf16_to_float(static_cast<uint16_t>(got[i] >> 16));
    const float b = bf16_to_float(static_cast<uint16_t>(wanted[i] >> 16));
    ASSERT_TRUE(same(a, b)) << i << " " << a << " " << b;
  }
}

// Of what is rounded from far below the smallest number, 24 random bits tell less than 32.
std::vector<float> numbers_to_round(bool stochastic) {
  std::vector<float> x = special_numbers();
  for (float& v : x) {
    if (stochastic && std::abs(v) < 0x1p-20f) v = 0;
  }
  return x;
}

TEST(Operand, RoundsRowsAsTheReferenceDoes) {
  for_each_kernel([&](const OperandKernel& kernel) {
    for (const Rounded& r : kRounded) {
      for (const bool stochastic : {false, true}) {
        const auto x = numbers_to_round(stochastic);
        const auto n = static_cast<int64_t>(x.size());
        std::vector<uint32_t> random(x.size());
        for (size_t i = 0; i < x.size(); ++i) random[i] = RandomStream(9, 1, 2).bits(i) & 0xFFFFFF00;
        std::vector<float> multipliers(x.size()), inverses(x.size());
        for (size_t i = 0; i < x.size(); ++i) multipliers[i] = i % 3 == 0 ? 0.75f : 0.5f, inverses[i] = 0x1p3f;
        for (const int64_t group : {int64_t{32}, int64_t{128}, int64_t{8192}}) {
          std::vector<uint32_t> got(x.size()), wanted(x.size());
          RoundRow row{x.data(),
                       n,
                       multipliers.data(),
                       inverses.data(),
                       group,
                       r.element,
                       r.wide,
                       stochastic ? random.data() : nullptr,
                       got.data()};
          kernel.round(row);
          row.out = wanted.data();
          kOperandReference.round(row);
          expect_same(r, got, wanted);
        }
      }
    }
  });
}

TEST(Operand, RoundsColumnsAsTheReferenceDoes) {
  constexpr int64_t kStride = 41;
  std::vector<float> multipliers(kRoundColumns), inverses(kRoundColumns);
  for (size_t i = 0; i < kRoundColumns; ++i)
    multipliers[i] = 0.5f + 0.01f * static_cast<float>(i), inverses[i] = 0x1p-3f;
  const RandomColumns random{5, 6, 7, 8, 0xFFFFFFF0, 1000};
  for_each_kernel([&](const OperandKernel& kernel) {
    for (const Rounded& r : kRounded) {
      for (const bool stochastic : {false, true}) {
        const auto x = numbers_to_round(stochastic);
        for (const int64_t rows : {1, 2, 3, 4, 32, 99}) {
          std::vector<uint32_t> got(static_cast<size_t>(rows * kRoundColumns)), wanted(got.size());
          RoundColumns c{x.data(),
                         kStride,
                         rows,
                         multipliers.data(),
                         inverses.data(),
                         r.element,
                         r.wide,
                         stochastic ? &random : nullptr,
                         r.element == Element::int8 ? 0x80808080 : 0,
                         got.data()};
          kernel.round_columns(c);
          c.words = wanted.data();
          kOperandReference.round_columns(c);
          expect_same(r, got, wanted);
        }
      }
    }
  });
}

TEST(Operand, FindsLargestAndMultipliersAsTheReferenceDoes) {
  const auto x = special_numbers();
  const auto n = static_cast<int64_t>(x.size());
  std::vector<float> magnitudes(x);
  for (float& v : magnitudes) v = std::abs(v);
  const auto expect_equal = [](const std::vector<float>& got, const std::vector<float>& wanted, const char* what) {
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_TRUE(same(got[i], wanted[i])) << what << " " << i << " " << got[i] << " " << wanted[i];
    }
  };
  for_each_kernel([&](const OperandKernel& kernel) {
    for (const int64_t group : {32, 64, 128}) {
      std::vector<float> got(static_cast<size_t>((n + group - 1) / group)), wanted(got.size());
      kernel.largest_of_groups(x.data(), n, group, got.data());
      kOperandReference.largest_of_groups(x.data(), n, group, wanted.data());
      expect_equal(got, wanted, "group");
    }
    std::vector<float> got(kRoundColumns, 2.0f), wanted(got);
    kernel.largest_of_columns(x.data(), 41, 90, got.data());
    kOperandReference.largest_of_columns(x.data(), 41, 90, wanted.data());
    expect_equal(got, wanted, "column");
    for (const Element element : {Element::e4m3, Element::e5m2}) {
      for (const ScaleRule rule : {ScaleRule::largest, ScaleRule::power_of_two, ScaleRule::mx}) {
        std::vector<float> a(x.size()), b(x.size()), c(x.size()), d(x.size());
        kernel.multipliers(element, rule, magnitudes.data(), n, a.data(), b.data());
        kOperandReference.multipliers(element, rule, magnitudes.data(), n, c.data(), d.data());
        expect_equal(a, c, "multiplier");
        expect_equal(b, d, "inverse");
      }
    }
  });
}

TEST(Operand, TransposesAndDrawsAsTheReferenceDoes) {
  for_each_kernel([](const OperandKernel& kernel) {
    for (const int64_t rows : {1, 7, 16, 37}) {
      for (const int64_t columns : {1, 8, 33, 48}) {
        const auto x = numbers(rows * columns, 5);
        std::vector<uint32_t> got(x.size()), wanted(x.size());
        const auto* from = reinterpret_cast<const uint32_t*>(x.data());
        kernel.transpose(from, columns, rows, columns, got.data(), rows);
        kOperandReference.transpose(from, columns, rows, columns, wanted.data(), rows);
        ASSERT_EQ(got, wanted);
      }
    }
    std::vector<uint32_t> got(4 * 21), wanted(4 * 21);
    kernel.random(1, 2, 3, 4, 0xFFFFFFF0, 21, got.data());
    kOperandReference.random(1, 2, 3, 4, 0xFFFFFFF0, 21, wanted.data());
    EXPECT_EQ(got, wanted);
  });
}

TEST(Operand, StochasticRoundingIsRightOnAverage) {
  for_each_kernel([](const OperandKernel& kernel) {
    constexpr int64_t kN = 40000;
    std::vector<uint32_t> random(kN);
    kernel.random(7, 0, 1, 1, 0, kN / 4, random.data());
    const std::vector<float> x(kN, 20.3f);
    std::vector<int8_t> out(kN);
    const float one = 1;
    kernel.round({x.data(), kN, &one, &one, kN, Element::int8, false, random.data(), out.data()});
    double sum = 0;
    for (const int8_t code : out) sum += code;
    EXPECT_NEAR(sum / kN, 20.3, 0.02);
  });
}

// What an operand stands for, in F64: rounded numbers with their scales.
std::vector<double> meaning(const OperandSource& s, const OperandFormat& f) {
  const int64_t lines = s.lines(), depth = s.depth();
  const auto at = [&](int64_t line, int64_t k) {
    return s.transposed ? s.x[k * s.columns + line] : s.x[line * s.columns + k];
  };
  std::vector<double> result(static_cast<size_t>(lines * depth));
  for (int64_t line = 0; line < lines; ++line) {
    float largest = 0;
    for (int64_t k = 0; k < depth; ++k) {
      int64_t l0 = line, l1 = line + 1, k0 = 0, k1 = depth;
      if (f.sharing == Sharing::group || f.sharing == Sharing::block)
        k0 = k / f.group * f.group, k1 = std::min(depth, k0 + f.group);
      if (f.sharing == Sharing::block) l0 = line / f.lines * f.lines, l1 = std::min(lines, l0 + f.lines);
      if (k == k0) largest = 0;
      for (int64_t i = l0; i < l1 && k == k0; ++i) {
        for (int64_t j = k0; j < k1; ++j) largest = std::max(largest, std::abs(at(i, j)));
      }
      Multiplier m{1, 1};
      if (f.sharing == Sharing::tensor) m = {f.multiplier, 1 / f.multiplier};
      if (f.sharing != Sharing::tensor && f.sharing != Sharing::none) m = multiplier_of(f.element, f.rule, largest);
      const float x = at(line, k) * m.multiplier;
      double value = x;
      if (f.element == Element::bf16) value = bf16_to_float(float_to_bf16(x));
      if (f.element == Element::e4m3) value = e4m3_to_float(float_to_e4m3(x));
      if (f.element == Element::e5m2) value = e5m2_to_float(float_to_e5m2(x));
      if (f.element == Element::int8) value = float_to_int8(x, Rounding::half_even, 0, Int8Range::narrow);
      result[static_cast<size_t>(line * depth + k)] = value * m.inverse;
    }
  }
  return result;
}

OperandFormat format_of(Element element, Sharing sharing, ScaleRule rule = ScaleRule::largest, int64_t group = 0) {
  OperandFormat f{element, sharing, rule, group};
  f.lines = sharing == Sharing::block ? group : 1;
  f.multiplier = sharing == Sharing::tensor ? 1.7f : 1;
  return f;
}

struct Pair {
  OperandFormat left, right;
};

std::vector<Pair> pairs() {
  const auto current = format_of(Element::e4m3, Sharing::tensor), gradient = format_of(Element::e5m2, Sharing::tensor);
  const auto group = format_of(Element::e4m3, Sharing::group, ScaleRule::power_of_two, 128);
  const auto block = format_of(Element::e4m3, Sharing::block, ScaleRule::power_of_two, 128);
  const auto mx = format_of(Element::e4m3, Sharing::group, ScaleRule::mx, 32);
  const auto int8 = format_of(Element::int8, Sharing::line);
  return {{{}, {}},           {format_of(Element::bf16, Sharing::none), format_of(Element::bf16, Sharing::none)},
          {current, current}, {gradient, current},
          {group, block},     {group, group},
          {mx, mx},           {int8, int8}};
}

TEST(Operand, ProductsAreThoseOfTheRoundedNumbers) {
  Threads threads(2);
  for (const auto& [left, right] : pairs()) {
    for (const int64_t depth : {5, 130, 257, 1100}) {
      for (const int sides : {0, 1, 2, 3}) {
        const int64_t m = 37, n = 45;
        const auto a = numbers(m * depth, 1, 6), b = numbers(n * depth, 2, 6);
        const OperandSource x = sides & 1 ? OperandSource{a.data(), depth, m, true} : OperandSource{a.data(), m, depth};
        const OperandSource w = sides & 2 ? OperandSource{b.data(), depth, n, true} : OperandSource{b.data(), n, depth};
        PreparedInput::Layout prepared;
        PackedWeight::Layout packed;
        for (int again = 0; again < 2; ++again) {  // memory is used again
          prepare_operand(prepared, x, left, right, threads);
          pack_operand(packed, w, right, left, threads);
        }
        std::vector<float> y(static_cast<size_t>(m * n));
        multiply(prepared, packed, nullptr, y.data(), n, threads);
        const auto xs = meaning(x, left), ws = meaning(w, right);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            double sum = 0, magnitude = 0;
            for (int64_t k = 0; k < depth; ++k) {
              const double product = xs[static_cast<size_t>(i * depth + k)] * ws[static_cast<size_t>(j * depth + k)];
              sum += product, magnitude += std::abs(product);
            }
            ASSERT_NEAR(y[static_cast<size_t>(i * n + j)], sum, 2e-6 * magnitude)
                << static_cast<int>(left.element) << " " << static_cast<int>(left.sharing) << " depth " << depth
                << " sides " << sides;
          }
        }
      }
    }
  }
}

// Against a loop over the numbers, in F64.
TEST(Operand, CountsWhatItsFormatDoesNotHold) {
  Threads threads(2);
  const int64_t lines = 70, depth = 1100;
  const double ends[] = {0, 0, 464, 61440, 127.5}, middles[] = {0, 0, 0x1p-10, 0x1p-17, 0.5};
  for (const auto& [left, right] : pairs()) {
    OperandFormat format = left;
    if (format.sharing == Sharing::tensor) format.multiplier = 900.0f;
    const auto x = numbers(lines * depth, 3, 30);
    const OperandSource source{x.data(), lines, depth};
    const Misfits counts = count_misfits(source, format, threads);
    if (format.element == Element::f32 || format.element == Element::bf16) {
      EXPECT_EQ(counts.values, 0);
      continue;
    }
    int64_t overflow = 0, underflow = 0;
    const int64_t group = format.sharing == Sharing::group ? format.group : depth;
    for (int64_t line = 0; line < lines; ++line) {
      for (int64_t begin = 0; begin < depth; begin += group) {
        const int64_t end = std::min(begin + group, depth);
        float largest = 0;
        for (int64_t i = begin; i < end; ++i)
          largest = std::max(largest, std::abs(x[static_cast<size_t>(line * depth + i)]));
        const float multiplier = format.sharing == Sharing::tensor
                                     ? format.multiplier
                                     : multiplier_of(format.element, format.rule, largest).multiplier;
        for (int64_t i = begin; i < end; ++i) {
          const double y = std::abs(x[static_cast<size_t>(line * depth + i)] * multiplier);
          const auto element = static_cast<size_t>(format.element);
          overflow += format.element == Element::e4m3 ? y > ends[element] : y >= ends[element];
          underflow += y != 0 && y <= middles[element];
        }
      }
    }
    EXPECT_EQ(counts.values, lines * depth);
    EXPECT_EQ(counts.overflow, overflow);
    EXPECT_EQ(counts.underflow, underflow);
    EXPECT_GT(underflow + overflow, 0) << static_cast<int>(format.element);
  }
}

// The same random numbers, whichever way the source lies.
TEST(Operand, AMatrixAndItsTransposeRoundTheSame) {
  Threads threads(2);
  const int64_t m = 70, n = 75, depth = 390;
  const auto a = numbers(m * depth, 1, 6), b = numbers(n * depth, 2, 6);
  std::vector<float> at(a.size()), bt(b.size());
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t i = 0; i < m; ++i) at[static_cast<size_t>(k * m + i)] = a[static_cast<size_t>(i * depth + k)];
    for (int64_t i = 0; i < n; ++i) bt[static_cast<size_t>(k * n + i)] = b[static_cast<size_t>(i * depth + k)];
  }
  for (auto [left, right] : pairs()) {
    for (const bool stochastic : {false, true}) {
      if (stochastic && left.element == Element::f32) continue;
      if (stochastic) left.random.emplace(3, 4, 5), right.random.emplace(3, 4, 6);
      std::vector<float> y[2] = {std::vector<float>(static_cast<size_t>(m * n)),
                                 std::vector<float>(static_cast<size_t>(m * n))};
      for (const bool across : {false, true}) {
        PreparedInput::Layout prepared;
        PackedWeight::Layout packed;
        const OperandSource x = across ? OperandSource{at.data(), depth, m, true} : OperandSource{a.data(), m, depth};
        const OperandSource w = across ? OperandSource{bt.data(), depth, n, true} : OperandSource{b.data(), n, depth};
        prepare_operand(prepared, x, left, right, threads);
        pack_operand(packed, w, right, left, threads);
        multiply(prepared, packed, nullptr, y[across].data(), n, threads);
      }
      ASSERT_EQ(y[0], y[1]) << static_cast<int>(left.element) << " " << static_cast<int>(left.sharing);
    }
  }
}

TEST(Operand, ANotANumberStaysOne) {
  Threads threads(2);
  const OperandFormat f = format_of(Element::e4m3, Sharing::block, ScaleRule::power_of_two, 128);
  std::vector<float> a(130 * 130, 1.0f);
  a[0] = std::numeric_limits<float>::quiet_NaN();
  PreparedInput::Layout prepared;
  PackedWeight::Layout packed;
  prepare_operand(prepared, {a.data(), 130, 130}, f, f, threads);
  pack_operand(packed, {a.data(), 130, 130}, f, f, threads);
  std::vector<float> y(a.size());
  multiply(prepared, packed, nullptr, y.data(), 130, threads);
  EXPECT_NE(y[0], y[0]);
  EXPECT_EQ(y[131], 130.0f);
}

TEST(Operand, MultipliersFollowTransformerEngine) {
  const auto check = [](Multiplier got, float multiplier, float inverse) {
    EXPECT_EQ(got.multiplier, multiplier);
    EXPECT_EQ(got.inverse, inverse);
  };
  check(multiplier_of(Element::e4m3, ScaleRule::largest, 3), 448.0f / 3, 1 / (448.0f / 3));
  check(multiplier_of(Element::e5m2, ScaleRule::largest, 0), 1, 1);
  check(multiplier_of(Element::e4m3, ScaleRule::largest, std::numeric_limits<float>::infinity()), 1, 1);
  check(multiplier_of(Element::e4m3, ScaleRule::power_of_two, 3), 128, 1 / 128.0f);
  check(multiplier_of(Element::e4m3, ScaleRule::mx, 448), 1, 1);
  check(multiplier_of(Element::e4m3, ScaleRule::mx, 449), 0.5f, 2);
  EXPECT_EQ(multiplier_of(Element::e4m3, ScaleRule::largest, 1e-42f).multiplier, 0x1.FFFFFEp127f);
}

}  // namespace
}  // namespace octet::kernels
