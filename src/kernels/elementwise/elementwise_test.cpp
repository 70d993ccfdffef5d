#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/elementwise/elementwise_list.h"
#include "numeric/random.h"

namespace octet::kernels {
namespace {

std::vector<Kernel<const ElementwiseKernel>> runnable() {
  std::vector<Kernel<const ElementwiseKernel>> rows;
  for (const auto& row : elementwise_kernels()) {
    if ((row.needs & ~cpu_features()) == 0) rows.push_back(row);
  }
  return rows;
}

constexpr int64_t kLengths[] = {0, 1, 5, 8, 9, 16, 17, 31, 64, 65, 100, 1024, 1100, 3001};

std::vector<float> noise(int64_t n, uint32_t tensor, float size) {
  const RandomStream random(11, 0, tensor);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = size * (2 * random.uniform(i) - 1);
  return x;
}

// The distance from the exact value in units of its float's last place.
double ulps(float x, double exact) {
  const auto near = static_cast<float>(exact);
  if (std::isinf(near) || std::isinf(x)) return x == near ? 0 : INFINITY;
  const double unit = std::max(std::ldexp(1.0, std::ilogb(std::max(std::fabs(near), 1e-38f)) - 23), 0x1p-149);
  return std::fabs(x - exact) / unit;
}

TEST(Elementwise, ExpIsWithinTwoUlpOverTheWholeRange) {
  std::vector<float> x;
  for (float value = -104.0f; value < 89.5f; value += 0.00173f) x.push_back(value);
  for (const auto& row : runnable()) {
    std::vector<float> y(x.size());
    row.run->exp(x.data(), static_cast<int64_t>(x.size()), 0, 1, y.data());
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) worst = std::max(worst, ulps(y[i], std::exp(double{x[i]})));
    EXPECT_LE(worst, 2) << row.name;
  }
}

TEST(Elementwise, ExpOfWhatIsNotFinite) {
  const float x[] = {0, -0.0f, -INFINITY, INFINITY, NAN, -1000, 1000, -3.4e38f, 3.4e38f};
  for (const auto& row : runnable()) {
    float y[9];
    row.run->exp(x, 9, 0, 1, y);
    EXPECT_EQ(y[0], 1) << row.name;
    EXPECT_EQ(y[1], 1) << row.name;
    for (const int zero : {2, 5, 7}) EXPECT_EQ(y[zero], 0) << row.name;
    for (const int infinite : {3, 6, 8}) EXPECT_EQ(y[infinite], INFINITY) << row.name;
    EXPECT_TRUE(std::isnan(y[4])) << row.name;
  }
}

TEST(Elementwise, EveryRowAgreesWithFloat64OnAnyLength) {
  for (const auto& row : runnable()) {
    const ElementwiseKernel& k = *row.run;
    for (const int64_t n : kLengths) {
      const auto x = noise(n, 0, 8), z = noise(n, 1, 3);
      std::vector<float> y(x.size() + 1, 777);
      double squares = 0, exps = 0, max = -INFINITY;
      for (const float value : x) {
        squares += double{value} * value;
        exps += std::exp(double{value} - 2);
        max = std::max(max, double{value});
      }
      EXPECT_NEAR(k.sum_of_squares(x.data(), n), squares, squares * 1e-6) << row.name << " " << n;
      EXPECT_NEAR(k.sum_of_exp(x.data(), n, 2), exps, exps * 1e-6) << row.name << " " << n;
      EXPECT_EQ(k.max(x.data(), n), max) << row.name << " " << n;
      k.scale_by(x.data(), 0.3f, z.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], x[i] * 0.3f * z[i]) << row.name << " " << n;
      k.add(x.data(), z.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], x[i] + z[i]) << row.name << " " << n;
      k.silu_multiply(x.data(), z.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_LE(ulps(y[i], x[i] / (1 + std::exp(-double{x[i]})) * z[i]), 6) << row.name << " " << n;
      }
      EXPECT_EQ(y[n], 777) << row.name << " " << n;
    }
  }
}

TEST(Elementwise, AValueDoesNotDependOnItsPlaceInTheRow) {
  const auto x = noise(70, 0, 8), z = noise(70, 1, 3);
  for (const auto& row : runnable()) {
    std::vector<float> whole(70), rest(70);
    row.run->silu_multiply(x.data(), z.data(), whole.data(), 70);
    for (const int64_t from : {1, 9, 50, 69}) {
      row.run->silu_multiply(x.data() + from, z.data() + from, rest.data(), 70 - from);
      EXPECT_EQ(std::memcmp(rest.data(), whole.data() + from, (70 - from) * sizeof(float)), 0) << row.name << from;
    }
  }
}

TEST(Elementwise, MaxPassesOverNan) {
  for (const auto& row : runnable()) {
    std::vector<float> x(100, NAN);
    EXPECT_EQ(row.run->max(x.data(), 100), -INFINITY) << row.name;
    for (const int at : {0, 3, 63, 64, 99}) {
      x.assign(100, NAN);
      x[at] = -5;
      EXPECT_EQ(row.run->max(x.data(), 100), -5) << row.name << " " << at;
    }
  }
}

TEST(RmsNorm, DividesByTheRootOfTheMeanSquare) {
  Threads threads(2);
  const auto x = noise(3 * 40, 0, 4), weight = noise(40, 1, 1);
  std::vector<float> y(x.size());
  rms_norm(x.data(), 3, 40, weight.data(), 1e-5f, y.data(), threads);
  for (int row = 0; row < 3; ++row) {
    double squares = 0;
    for (int i = 0; i < 40; ++i) squares += double{x[row * 40 + i]} * x[row * 40 + i];
    for (int i = 0; i < 40; ++i) {
      const double exact = x[row * 40 + i] / std::sqrt(squares / 40 + 1e-5) * weight[i];
      EXPECT_NEAR(y[row * 40 + i], exact, 1e-6 * std::fabs(exact) + 1e-12);
    }
  }
}

// Complex multiplication by e^(i angle), in F64; dimensions beyond rotary_dim stay.
TEST(Rope, TurnsEachPairByItsAngle) {
  Threads threads(2);
  constexpr int64_t kTokens = 3, kHeads = 2, kDims = 50, kRotary = 44, kStride = 120;
  std::vector<double> frequencies;
  for (int i = 0; i < kRotary / 2; ++i) frequencies.push_back(std::pow(10000.0, -2.0 * i / kRotary));
  std::vector<float> table(100 * kRotary);
  rope_table(frequencies.data(), kRotary / 2, 0, 100, 1.5, table.data());
  const auto before = noise(kTokens * kStride, 0, 2);
  auto x = before;
  const int64_t positions[] = {0, 99, 7};
  rope(x.data(), kTokens, kHeads, kDims, kRotary, kStride, positions, table.data(), threads);
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t i = 0; i < kStride; ++i) {
      const int64_t dim = i % kDims, at = t * kStride + i, pair = dim % (kRotary / 2);
      if (i >= kHeads * kDims || dim >= kRotary) {
        EXPECT_EQ(x[at], before[at]);
        continue;
      }
      const double angle = static_cast<double>(positions[t]) * frequencies[pair];
      const double sign = dim < kRotary / 2 ? -1 : 1, other = before[at - static_cast<int64_t>(sign) * kRotary / 2];
      EXPECT_NEAR(x[at], 1.5 * (before[at] * std::cos(angle) + sign * other * std::sin(angle)), 1e-6);
    }
  }
}

TEST(Softmax, IsRightForLogitsOfAnySize) {
  Threads threads(2);
  const std::vector<float> x = {1, 2, 3, 10000, 10001, 9999, -1e30f, 0, -1e30f, -INFINITY, 0, 0};
  std::vector<float> y(12), logs(12);
  softmax_rows(x.data(), 4, 3, y.data(), threads);
  log_softmax_rows(x.data(), 4, 3, logs.data(), threads);
  const double expected[] = {0.09003057, 0.24472847, 0.66524096, 0.24472847, 0.66524096, 0.09003057,
                             0,          1,          0,          0,          0.5,        0.5};
  for (int i = 0; i < 12; ++i) {
    EXPECT_NEAR(y[i], expected[i], 1e-7) << i;
    if (expected[i] > 0) {
      EXPECT_NEAR(logs[i], std::log(expected[i]), 3e-7) << i;
    }
  }
}

TEST(LogSumExp, KeepsItsPrecisionOver128000Logits) {
  const auto x = noise(128000, 0, 12);
  double sum = 0;
  for (const float value : x) sum += std::exp(double{value} - 12);
  EXPECT_NEAR(log_sum_exp(x.data(), 128000), 12 + std::log(sum), 3e-7);
  EXPECT_EQ(log_sum_exp(x.data(), 0), -INFINITY);
  const float nothing[] = {-INFINITY, -INFINITY}, odd[] = {1, NAN};
  EXPECT_EQ(log_sum_exp(nothing, 2), -INFINITY);
  EXPECT_TRUE(std::isnan(log_sum_exp(odd, 2)));
}

TEST(Argmax, IsTheFirstOfTheLargest) {
  const float x[] = {1, 5, NAN, 5, 2}, nothing[] = {NAN, -INFINITY};
  EXPECT_EQ(argmax(x, 5), 1);
  EXPECT_EQ(argmax(x, 0), 0);
  EXPECT_LE(argmax(nothing, 2), 1);
}

TEST(Rows, AreTheSameForAnyThreads) {
  Threads one(1), two(2);
  const auto x = noise(300 * 200, 0, 5), weight = noise(200, 1, 1);
  std::vector<float> a(x.size()), b(x.size());
  rms_norm(x.data(), 300, 200, weight.data(), 1e-6f, a.data(), one);
  rms_norm(x.data(), 300, 200, weight.data(), 1e-6f, b.data(), two);
  EXPECT_EQ(a, b);
  silu_multiply(x.data(), b.data(), a.data(), 300 * 200, one);
  silu_multiply(x.data(), b.data(), b.data(), 300 * 200, two);
  EXPECT_EQ(a, b);
  add_row(a.data(), 300, 200, weight.data(), one);
  add_row(b.data(), 300, 200, weight.data(), two);
  EXPECT_EQ(a, b);
  add(a.data(), x.data(), a.data(), 300 * 200, one);
  add(b.data(), x.data(), b.data(), 300 * 200, two);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace octet::kernels
