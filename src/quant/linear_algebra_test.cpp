#include "quant/linear_algebra.h"

#include "base/errors_for_tests.h"
#include "numeric/random.h"
#include "quant/hessian.h"

namespace octet {
namespace {

Tensor uniform(Shape shape, uint32_t salt) {
  Tensor x(std::move(shape));
  const RandomStream random(7, 0, salt);
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = random.uniform(static_cast<uint64_t>(i)) - 0.5f;
  return x;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

// xᵀx + n/10 · 1 as full rows, in float64.
std::vector<double> gram(const Tensor& x, double ridge) {
  const int64_t m = x.size(0), k = x.size(1);
  std::vector<double> h(static_cast<size_t>(k * k));
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < k; ++j) {
      double sum = i == j ? ridge : 0;
      for (int64_t t = 0; t < m; ++t) sum += static_cast<double>(x.f32()[t * k + i]) * x.f32()[t * k + j];
      h[static_cast<size_t>(i * k + j)] = sum;
    }
  }
  return h;
}

Tensor as_f32(const std::vector<double>& values, int64_t k) {
  Tensor x({k, k});
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = static_cast<float>(values[static_cast<size_t>(i)]);
  return x;
}

class CholeskyOfWidth : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Widths, CholeskyOfWidth, testing::Values(1, 7, 255, 256, 257, 600));

TEST_P(CholeskyOfWidth, TimesItsTransposeIsTheMatrix) {
  const int64_t k = GetParam();
  const auto h = gram(uniform({k + 5, k}, 1), 0.01 * static_cast<double>(k));
  Tensor a = as_f32(h, k);
  Threads threads(2);
  ASSERT_TRUE(cholesky(a, threads));
  double worst = 0;
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t p = 0; p <= j; ++p) sum += static_cast<double>(a.f32()[i * k + p]) * a.f32()[j * k + p];
      const double scale = std::sqrt(h[static_cast<size_t>(i * k + i)] * h[static_cast<size_t>(j * k + j)]);
      worst = std::max(worst, std::abs(sum - h[static_cast<size_t>(i * k + j)]) / scale);
    }
  }
  EXPECT_LT(worst, 1e-5);
}

TEST(Cholesky, HasTheSameBitsForAnyNumberOfThreads) {
  const Tensor h = as_f32(gram(uniform({500, 520}, 2), 5), 520);
  Tensor one = to_f32(h).reshaped({520, 520}), many({520, 520}), first({520, 520});
  std::memcpy(many.raw(), one.raw(), static_cast<size_t>(one.bytes()));
  std::memcpy(first.raw(), one.raw(), static_cast<size_t>(one.bytes()));
  Threads alone(1), crew(5);
  ASSERT_TRUE(cholesky(first, alone));
  ASSERT_TRUE(cholesky(many, crew));
  EXPECT_TRUE(same_bytes(first, many));
}

TEST(Cholesky, SaysThatAMatrixIsNotPositiveDefinite) {
  Threads threads(2);
  for (const int64_t k : {3, 300}) {
    auto h = gram(uniform({2 * k, k}, 3), 1);
    h[static_cast<size_t>(k * k - 1)] = -1;
    Tensor a = as_f32(h, k);
    EXPECT_FALSE(cholesky(a, threads));
    h[static_cast<size_t>(k * k - 1)] = std::nan("");
    Tensor b = as_f32(h, k);
    EXPECT_FALSE(cholesky(b, threads));
  }
}

TEST(Product, EqualsTheProductInFloat64) {
  const Tensor a = uniform({1030, 70}, 4), b = uniform({33, 70}, 5);
  Tensor y({1030, 40});
  Threads threads(2);
  Product(threads).multiply({a.f32() + 3, 1030, 60, 70}, {b.f32() + 3, 33, 60, 70}, y.f32(), 40);
  for (const int64_t i : {0, 511, 1029}) {
    for (int64_t j = 0; j < 33; ++j) {
      double sum = 0;
      for (int64_t p = 3; p < 63; ++p) sum += static_cast<double>(a.f32()[i * 70 + p]) * b.f32()[j * 70 + p];
      EXPECT_NEAR(y.f32()[i * 40 + j], sum, 1e-5);
    }
  }
}

TEST(Hessian, IsTheSumOfSquaresOfAllThatCame) {
  const Tensor x = uniform({300, 270}, 6);
  Threads threads(2);
  for (const Format format : {Format::F32, Format::BF16}) {
    Hessian hessian(270, format);
    hessian.add(x.rows(0, 100), threads);
    hessian.add(x.rows(100, 0), threads);
    hessian.add(x.rows(100, 200), threads);
    EXPECT_EQ(hessian.rows(), 300);
    const auto expected = gram(x, 0);
    const double tolerance = format == Format::F32 ? 1e-4 : 0.1;
    for (int64_t i = 0; i < 270; i += 13) {
      for (int64_t j = 0; j <= i; j += 7) {
        EXPECT_NEAR(hessian.sums().f32()[i * 270 + j], expected[static_cast<size_t>(i * 270 + j)], tolerance);
      }
    }
    EXPECT_NEAR(hessian.mean_squares()[17], expected[17 * 271] / 300, tolerance / 300);
  }
}

TEST(Hessian, OfDividedColumnsIsThatOfTheDividedInput) {
  const Tensor x = uniform({40, 30}, 8);
  std::vector<float> factors;
  Tensor divided({40, 30});
  for (int j = 0; j < 30; ++j) factors.push_back(0.5f + static_cast<float>(j % 5));
  for (int64_t i = 0; i < x.elements(); ++i) divided.f32()[i] = x.f32()[i] / factors[static_cast<size_t>(i % 30)];
  Threads threads(2);
  Hessian before(30), after(30);
  before.add(x, threads);
  before.divide_columns(factors, threads);
  after.add(divided, threads);
  for (int64_t i = 0; i < 30; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      EXPECT_NEAR(before.sums().f32()[i * 30 + j], after.sums().f32()[i * 30 + j], 1e-4);
    }
  }
}

}  // namespace
}  // namespace octet
