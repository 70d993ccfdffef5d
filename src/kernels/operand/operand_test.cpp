#include "kernels/operand/operand.h"

#include <gtest/gtest.h>

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

TEST(Operand, RoundsAsTheReferenceDoes) {
  const auto x = special_numbers();
  std::vector<uint32_t> random(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    random[i] = RandomStream(9, 1, 2).bits(i) & 0xFFFFFF00;  // what 24 bits tell apart
  for_each_kernel([&](const OperandKernel& kernel) {
    for (const Element element : {Element::f32, Element::bf16, Element::e4m3, Element::e5m2}) {
      for (const uint32_t* bits :
           {static_cast<const uint32_t*>(nullptr), static_cast<const uint32_t*>(random.data())}) {
        std::vector<float> got(x.size()), wanted(x.size());
        RoundLine line{x.data(), static_cast<int64_t>(x.size()), 0.75f, element, true, bits, got.data()};
        if (element == Element::bf16 || element == Element::f32) line.multiplier = 1;
        kernel.round(line);
        line.out = wanted.data();
        kOperandReference.round(line);
        for (size_t i = 0; i < x.size(); ++i) {
          // Of what FP8 rounds from far below its smallest number, 24 random bits tell less than 32.
          if (bits && std::abs(x[i]) < 0x1p-20f) continue;
          ASSERT_TRUE(same(got[i], wanted[i]))
              << static_cast<int>(element) << " " << x[i] << " " << got[i] << " " << wanted[i];
        }
      }
    }
    for (const uint32_t* bits : {static_cast<const uint32_t*>(nullptr), static_cast<const uint32_t*>(random.data())}) {
      std::vector<int8_t> got(x.size()), wanted(x.size());
      RoundLine line{x.data(), static_cast<int64_t>(x.size()), 0.3f, Element::int8, false, bits, got.data()};
      kernel.round(line);
      line.out = wanted.data();
      kOperandReference.round(line);
      for (size_t i = 0; i < x.size(); ++i) {
        if (bits && std::abs(x[i]) < 0x1p-20f) continue;
        ASSERT_EQ(got[i], wanted[i]) << x[i];
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
    kernel.round({x.data(), kN, 1, Element::int8, false, random.data(), out.data()});
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
    for (const int64_t depth : {5, 130, 1100}) {
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
