#include "quant/drift.h"

#include <gtest/gtest.h>

#include "numeric/random.h"
#include "ops/linear.h"

namespace octet {
namespace {

constexpr int64_t kInputs = 1200, kOutputs = 9, kColumns = 140;

Tensor random(int64_t rows, int64_t columns, uint32_t which) {
  Tensor x({rows, columns});
  const RandomStream stream(5, 0, which);
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = stream.uniform(static_cast<uint64_t>(i)) - 0.5f;
  return x;
}

// x [M,K] · w [N,K]ᵀ.
Tensor product(const Tensor& x, const Tensor& w, Threads& threads) {
  Context ctx(threads);
  return linear(ctx, x, Weight("", w, Tensor(), threads));
}

Tensor sum(const Tensor& x, const Tensor& y, float times) {
  Tensor result(x.shape());
  for (int64_t i = 0; i < x.elements(); ++i) result.f32()[i] = x.f32()[i] + times * y.f32()[i];
  return result;
}

double power(const Tensor& x) {
  double sum = 0;
  for (int64_t i = 0; i < x.elements(); ++i) sum += static_cast<double>(x.f32()[i]) * x.f32()[i];
  return sum;
}

struct Summed {
  Hessian hessian;
  Drift drift;
};

// In batches of 300 rows.
Summed summed(const Tensor& lacking, const Tensor& x, Drift::Of of, Threads& threads) {
  Summed s{Hessian(x.size(1)), Drift(of, lacking.size(1), x.size(1), Format::F32)};
  Drift::Scratch scratch;
  for (int64_t row = 0; row < x.size(0); row += 300) {
    s.hessian.add(x.rows(row, 300), threads);
    s.drift.add(lacking.rows(row, 300), x.rows(row, 300), scratch, threads);
  }
  return s;
}

TEST(GptqFactor, Solves) {
  Threads threads(2);
  Hessian hessian(kColumns);
  hessian.add(random(kInputs, kColumns, 0), threads);
  const Tensor& h = hessian.sums();
  for (const bool activation_order : {true, false}) {
    const GptqFactor factor(hessian, {1e-6, activation_order}, threads);
    const Tensor rows = random(600, kColumns, 1);
    Tensor whole({kColumns, kColumns});
    for (int64_t i = 0; i < kColumns; ++i) {
      for (int64_t j = 0; j < kColumns; ++j) {
        whole.f32()[i * kColumns + j] = h.f32()[std::max(i, j) * kColumns + std::min(i, j)];
      }
    }
    Tensor solved = product(rows, whole, threads);
    factor.solve(solved, threads);
    EXPECT_LT(power(sum(solved, rows, -1)), 1e-6 * power(rows));
  }
}

// Inputs that have lost a share of themselves, and outputs a linear function of the inputs: both can be made up for.
TEST(Drift, IsMadeUpForWhereItFollowsFromTheInput) {
  Threads threads(2);
  const Tensor x = random(kInputs, kColumns, 0), w = random(kOutputs, kColumns, 1);
  const Tensor map = random(kColumns, kColumns, 2), outputs = random(kOutputs, kColumns, 3);
  for (const Drift::Of of : {Drift::Of::input, Drift::Of::output}) {
    const Tensor lacking = product(x, of == Drift::Of::input ? map : outputs, threads);
    const Summed s = summed(lacking, x, of, threads);
    const GptqFactor factor(s.hessian, {1e-6, true}, threads);
    const double share = s.drift.share(factor, threads);
    EXPECT_GT(share, 0.85);  // the halves' inputs differ by chance
    const Tensor wanted = of == Drift::Of::input ? product(lacking, w, threads) : lacking;
    const Tensor moved = sum(s.drift.target(w, factor, share, threads), w, -1);
    const Tensor left = sum(wanted, product(x, moved, threads), -1);
    EXPECT_NEAR(power(left) / power(wanted), std::pow(1 - 0.6 * share, 2), 0.005);
  }
}

TEST(Drift, OfChanceIsLeft) {
  Threads threads(2);
  const Tensor x = random(kInputs, kColumns, 0), noise = random(kInputs, kOutputs, 4);
  const Summed s = summed(noise, x, Drift::Of::output, threads);
  const GptqFactor factor(s.hessian, {1e-6, true}, threads);
  EXPECT_LT(s.drift.share(factor, threads), 0.35);

  const Summed once = summed(noise.rows(0, 300), x.rows(0, 300), Drift::Of::output, threads);
  EXPECT_EQ(once.drift.share(factor, threads), 0);  // nothing to compare with
  const Tensor w = random(kOutputs, kColumns, 1);
  EXPECT_EQ(power(sum(once.drift.target(w, factor, 0, threads), w, -1)), 0);
}

TEST(Drift, FollowsFactorsOfItsColumns) {
  Threads threads(1);
  std::vector<float> factors;
  for (int64_t j = 0; j < kColumns; ++j) factors.push_back(0.5f + static_cast<float>(j % 7));
  Tensor x = random(kInputs, kColumns, 0), lacking = random(kInputs, kColumns, 5), w = random(kOutputs, kColumns, 1);
  lacking = sum(lacking, x, 0.5f);
  Summed divided = summed(lacking, x, Drift::Of::input, threads);
  divided.hessian.divide_columns(factors, threads);
  divided.drift.divide_columns(factors);
  for (Tensor* tensor : {&x, &lacking, &w}) {
    for (int64_t i = 0; i < tensor->elements(); ++i) {
      const float factor = factors[static_cast<size_t>(i % kColumns)];
      tensor->f32()[i] *= tensor == &w ? factor : 1 / factor;
    }
  }
  const Summed scaled = summed(lacking, x, Drift::Of::input, threads);
  const GptqFactor one(divided.hessian, {1e-6, true}, threads), other(scaled.hessian, {1e-6, true}, threads);
  EXPECT_NEAR(divided.drift.share(one, threads), scaled.drift.share(other, threads), 1e-4);
  const Tensor moved = sum(divided.drift.target(w, one, 1, threads), w, -1);
  const Tensor expected = sum(scaled.drift.target(w, other, 1, threads), w, -1);
  EXPECT_LT(power(sum(moved, expected, -1)), 1e-6 * power(expected));
}

TEST(Drift, IsTheSameForAnyNumberOfThreads) {
  Threads alone(1), crew(3);
  const Tensor x = random(kInputs, kColumns, 0), w = random(kOutputs, kColumns, 1);
  const Tensor lacking = sum(random(kInputs, kColumns, 5), x, 0.5f);
  const Summed s = summed(lacking, x, Drift::Of::input, alone), t = summed(lacking, x, Drift::Of::input, crew);
  const GptqFactor one(s.hessian, {}, alone), other(t.hessian, {}, crew);
  const Tensor a = s.drift.target(w, one, s.drift.share(one, alone), alone);
  const Tensor b = t.drift.target(w, other, t.drift.share(other, crew), crew);
  EXPECT_EQ(0, std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())));
}

}  // namespace
}  // namespace octet
