#include "quant/rounding/gptq.h"

#include "base/errors_for_tests.h"
#include "numeric/random.h"
#include "quant/observer/observer.h"
#include "quant/quantize.h"
#include "quant/rounding/descent.h"
#include "quant/rounding/learned.h"
#include "quant/rounding/nearest.h"

namespace octet {
namespace {

struct Case {
  Tensor x, w;  // [M,K], [N,K]
};

// Inputs whose columns go together, as those of a model do, some much larger than others.
Case some_case(int64_t m, int64_t n, int64_t k) {
  Case c{Tensor({m, k}), Tensor({n, k})};
  const RandomStream random(11, 0, 0), others(11, 0, 1), weights(11, 0, 2);
  for (int64_t t = 0; t < m; ++t) {
    for (int64_t j = 0; j < k; ++j) {
      float sum = 0.3f * (random.uniform(static_cast<uint64_t>(t * k + j)) - 0.5f);
      for (int64_t r = 0; r < 6; ++r) {
        sum += (others.uniform(static_cast<uint64_t>(t * 6 + r)) - 0.4f) *
               static_cast<float>((j * 7 + r * 13) % 11 - 5) * 0.2f;
      }
      c.x.f32()[t * k + j] = sum * (j % 17 == 0 ? 6.0f : 1.0f);
    }
  }
  for (int64_t i = 0; i < n * k; ++i) c.w.f32()[i] = weights.uniform(static_cast<uint64_t>(i)) - 0.5f;
  return c;
}

Hessian hessian_of(const Tensor& x, Threads& threads) {
  Hessian hessian(x.size(1));
  hessian.add(x, threads);
  return hessian;
}

// ‖x·(w - ŵ)ᵀ‖²
double output_error(const Case& c, const QTensor& q) {
  const Tensor w = dequantize(q);
  const int64_t k = c.w.size(1);
  double sum = 0;
  for (int64_t t = 0; t < c.x.size(0); ++t) {
    for (int64_t n = 0; n < w.size(0); ++n) {
      double y = 0;
      for (int64_t j = 0; j < k; ++j) {
        y += static_cast<double>(c.x.f32()[t * k + j]) * (c.w.f32()[n * k + j] - w.f32()[n * k + j]);
      }
      sum += y * y;
    }
  }
  return sum;
}

QTensor gptq(const Tensor& w, const Quantization& q, const GptqFactor& factor, Threads& threads) {
  QTensor result = quantize(w, q, {}, threads);  // its scales
  result.codes = Tensor(w.shape(), code_dtype(q.format));
  round_by_gptq(w, q, result.scales, {}, factor, threads, result.codes.raw());
  return result;
}

// The paper's algorithm as it is written there: the inverse of the damped H by Gauss-Jordan elimination, its upper
// Cholesky factor, then a column at a time, all in float64.
class Textbook {
 public:
  Textbook(const Tensor& x, double damping, bool activation_order) : k_(x.size(1)), h_(square()) {
    for (int64_t t = 0; t < x.size(0); ++t) {
      for (int64_t i = 0; i < k_; ++i) {
        for (int64_t j = 0; j < k_; ++j) h_[i][j] += static_cast<double>(x.f32()[t * k_ + i]) * x.f32()[t * k_ + j];
      }
    }
    for (int64_t i = 0; i < k_; ++i) order_.push_back(i);
    if (activation_order) {
      std::stable_sort(order_.begin(), order_.end(), [&](int64_t i, int64_t j) { return h_[i][i] > h_[j][j]; });
    }
    double mean = 0;
    for (int64_t i = 0; i < k_; ++i) mean += h_[i][i] / static_cast<double>(k_);
    auto permuted = square();
    for (int64_t i = 0; i < k_; ++i) {
      for (int64_t j = 0; j < k_; ++j) permuted[i][j] = h_[order_[i]][order_[j]] + (i == j ? damping * mean : 0);
    }
    upper_ = upper_cholesky(inverse(permuted));
  }

  std::vector<int> round(const Tensor& w, int64_t row, float scale) const {
    std::vector<double> left(k_);
    for (int64_t i = 0; i < k_; ++i) left[i] = w.f32()[row * k_ + order_[i]];
    std::vector<int> codes(k_);
    for (int64_t i = 0; i < k_; ++i) {
      const double code = std::clamp(std::nearbyint(left[i] / scale), -128.0, 127.0);
      codes[order_[i]] = static_cast<int>(code);
      const double error = (left[i] - code * scale) / upper_[i][i];
      for (int64_t j = i; j < k_; ++j) left[j] -= error * upper_[i][j];
    }
    return codes;
  }

 private:
  using Square = std::vector<std::vector<double>>;
  Square square() const { return Square(k_, std::vector<double>(k_)); }

  Square inverse(Square a) const {
    Square b = square();
    for (int64_t i = 0; i < k_; ++i) b[i][i] = 1;
    for (int64_t p = 0; p < k_; ++p) {
      const double pivot = a[p][p];
      for (int64_t j = 0; j < k_; ++j) a[p][j] /= pivot, b[p][j] /= pivot;
      for (int64_t i = 0; i < k_; ++i) {
        const double factor = a[i][p];
        if (i == p || factor == 0) continue;
        for (int64_t j = 0; j < k_; ++j) a[i][j] -= factor * a[p][j], b[i][j] -= factor * b[p][j];
      }
    }
    return b;
  }

  // a = UᵀU
  Square upper_cholesky(const Square& a) const {
    Square u = square();
    for (int64_t i = 0; i < k_; ++i) {
      for (int64_t j = i; j < k_; ++j) {
        double sum = a[i][j];
        for (int64_t p = 0; p < i; ++p) sum -= u[p][i] * u[p][j];
        u[i][j] = i == j ? std::sqrt(sum) : sum / u[i][i];
      }
    }
    return u;
  }

  int64_t k_;
  Square h_, upper_;
  std::vector<int64_t> order_;
};

TEST(Gptq, GivesTheCodesOfThePapersAlgorithmInFloat64) {
  const Case c = some_case(400, 24, 300);
  Threads threads(2);
  for (const bool ordered : {true, false}) {
    const GptqFactor factor(hessian_of(c.x, threads), {0.01, ordered}, threads);
    const QTensor ours = gptq(c.w, per_channel(Format::INT8), factor, threads);
    const Textbook textbook(c.x, 0.01, ordered);
    int different = 0;
    for (int64_t row = 0; row < 24; ++row) {
      const std::vector<int> codes = textbook.round(c.w, row, ours.scales.f32()[row]);
      for (int64_t j = 0; j < 300; ++j)
        different += codes[static_cast<size_t>(j)] != ours.codes.data<int8_t>()[row * 300 + j];
    }
    EXPECT_LT(different, 24 * 300 / 200) << "sums in float32 turn a few ties";
  }
}

TEST(Gptq, HalvesTheErrorOfTheOutputInEveryFormat) {
  const Case c = some_case(600, 40, 256);
  Threads threads(2);
  const GptqFactor factor(hessian_of(c.x, threads), {}, threads);
  ASSERT_TRUE(factor.factored());
  for (const Quantization& q :
       {per_channel(Format::INT8), per_group(Format::INT8, 128), per_channel(Format::E4M3),
        per_block(Format::E4M3, 16, 128), per_tensor(Format::E5M2), with_e8m0_scales(per_group(Format::E4M3, 32))}) {
    const double nearest = output_error(c, quantize(c.w, q, {}, threads));
    EXPECT_LT(output_error(c, gptq(c.w, q, factor, threads)), 0.5 * nearest) << static_cast<int>(q.format);
  }
}

TEST(Gptq, RoundsToTheNearestWhereColumnsDoNotMeet) {
  Case c = some_case(64, 8, 64);
  c.x = Tensor::zeros({64, 64});
  for (int64_t i = 0; i < 64; i += 2) c.x.f32()[i * 65] = static_cast<float>(i + 1);  // every other column is dead
  Threads threads(2);
  const GptqFactor factor(hessian_of(c.x, threads), {}, threads);
  ASSERT_TRUE(factor.factored());
  const Quantization q = per_channel(Format::INT8);
  const QTensor nearest = quantize(c.w, q, {}, threads), ours = gptq(c.w, q, factor, threads);
  EXPECT_EQ(0, std::memcmp(ours.codes.raw(), nearest.codes.raw(), static_cast<size_t>(ours.codes.bytes())));
}

TEST(Gptq, DampsMoreWhereFewInputsWereSeen) {
  Threads threads(2);
  const auto damping_after = [&](int64_t rows) {
    return GptqFactor(hessian_of(some_case(rows, 8, 64).x, threads), {}, threads).damping();
  };
  EXPECT_DOUBLE_EQ(damping_after(128), 0.2);
  EXPECT_DOUBLE_EQ(damping_after(640), 0.1);
  EXPECT_DOUBLE_EQ(damping_after(64'000), 0.01);
  EXPECT_DOUBLE_EQ(GptqFactor(hessian_of(some_case(128, 8, 64).x, threads), {.damping = 0.05}, threads).damping(),
                   0.05);
}

TEST(Gptq, DampsMoreWhatIsNotPositiveDefiniteAndElseRoundsToTheNearest) {
  const Case c = some_case(64, 8, 64);
  Threads threads(2);
  Hessian crooked(2);  // eigenvalues 2.05 and -0.05
  crooked.sums().f32()[0] = crooked.sums().f32()[3] = 1;
  crooked.sums().f32()[2] = 1.05f;
  const GptqFactor damped(crooked, {}, threads);
  ASSERT_TRUE(damped.factored());
  EXPECT_DOUBLE_EQ(damped.damping(), 0.1);

  Hessian hopeless = hessian_of(c.x, threads);
  for (int64_t i = 1; i < 64; ++i) hopeless.sums().f32()[i * 64] = 1e9f;
  const GptqFactor none(hopeless, {}, threads);
  EXPECT_FALSE(none.factored());
  const Quantization q = per_channel(Format::E4M3);
  const QTensor nearest = quantize(c.w, q, {}, threads), ours = gptq(c.w, q, none, threads);
  EXPECT_EQ(0, std::memcmp(ours.codes.raw(), nearest.codes.raw(), static_cast<size_t>(ours.codes.bytes())));
}

TEST(Gptq, GivesTheSameCodesForAnyNumberOfThreads) {
  const Case c = some_case(200, 33, 270);
  std::vector<QTensor> results;
  for (const int count : {1, 2, 5}) {
    Threads threads(count);
    const GptqFactor factor(hessian_of(c.x, threads), {}, threads);
    results.push_back(gptq(from_f32(c.w, DType::BF16), per_channel(Format::INT8), factor, threads));
  }
  for (size_t i = 1; i < results.size(); ++i) {
    EXPECT_EQ(
        0, std::memcmp(results[0].codes.raw(), results[i].codes.raw(), static_cast<size_t>(results[0].codes.bytes())));
  }
}

TEST(Gptq, TellsTheErrorOfEveryRow) {
  const Case c = some_case(300, 9, 140);
  Threads threads(2);
  const Hessian hessian = hessian_of(c.x, threads);
  const GptqFactor factor(hessian, {1e-6, true}, threads);
  QTensor q = quantize(c.w, per_channel(Format::INT8), {}, threads);
  q.codes = Tensor(c.w.shape(), DType::I8);
  std::vector<double> errors;
  round_by_gptq(c.w, q.weights, q.scales, {}, factor, threads, q.codes.raw(), &errors);
  double sum = 0;
  for (const double error : errors) sum += error;
  EXPECT_NEAR(sum, output_error(c, q), 0.01 * sum);
}

TEST(Gptq, SearchedScalesAndDescentOnlyTakeErrorAway) {
  const Case c = some_case(600, 40, 192);
  Threads threads(2), alone(1);
  Hessian hessian = hessian_of(c.x, threads);
  const GptqFactor factor(hessian, {1e-7, true}, threads);
  prepare_descent(hessian.sums(), factor.damping(), threads);
  for (const Quantization& q : {per_channel(Format::INT8), per_channel(Format::E4M3), per_group(Format::INT8, 64)}) {
    const Tensor ranges = minmax_ranges(c.w, q);
    const double plain = output_error(c, gptq(c.w, q, factor, threads));
    QTensor searched{.weights = q, .codes = Tensor(c.w.shape(), code_dtype(q.format))};
    round_by_gptq_with_search(c.w, q, ranges, DType::F32, {}, factor, threads, searched.scales, searched.codes.raw());
    const double better = output_error(c, searched);
    EXPECT_LT(better, (q.granularity == Granularity::channel ? 0.97 : 1.001) * plain);
    QTensor again = searched;
    again.codes = Tensor(c.w.shape(), code_dtype(q.format));
    std::memcpy(again.codes.raw(), searched.codes.raw(), static_cast<size_t>(again.codes.bytes()));
    descend(c.w, q, searched.scales, {}, hessian.sums(), 4, threads, searched.codes.raw());
    EXPECT_LE(output_error(c, searched), 1.0001 * better);
    descend(c.w, q, again.scales, {}, hessian.sums(), 4, alone, again.codes.raw());
    EXPECT_EQ(0, std::memcmp(again.codes.raw(), searched.codes.raw(), static_cast<size_t>(again.codes.bytes())));
  }
}

TEST(LearnedRounding, TakesAwayMuchOfTheOutputsErrorInEveryFormat) {
  const Case c = some_case(600, 20, 128);
  Threads threads(2);
  const Hessian hessian = hessian_of(c.x, threads);
  for (const Quantization& q : {per_channel(Format::INT8), per_group(Format::INT8, 32), per_channel(Format::E4M3)}) {
    const QTensor nearest = quantize(c.w, q, {}, threads);
    QTensor ours = nearest;
    ours.codes = Tensor(c.w.shape(), code_dtype(q.format));
    round_by_learning(c.w, q, ours.scales, {}, hessian, {}, threads, ours.codes.raw());
    EXPECT_LT(output_error(c, ours), 0.6 * output_error(c, nearest)) << static_cast<int>(q.format);
  }
}

TEST(LearnedRounding, FindsTheScaleOfEveryRow) {  // more of them than are learned together
  const Case c = some_case(600, 300, 32);
  Threads threads(2);
  const Hessian hessian = hessian_of(c.x, threads);
  for (const Quantization& q : {per_tensor(Format::E4M3), per_channel(Format::E4M3), per_group(Format::E4M3, 16)}) {
    const QTensor nearest = quantize(c.w, q, {}, threads);
    QTensor ours = nearest;
    ours.codes = Tensor(c.w.shape(), code_dtype(q.format));
    round_by_learning(c.w, q, ours.scales, {}, hessian, {.iterations = 50}, threads, ours.codes.raw());
    EXPECT_LT(output_error(c, ours), output_error(c, nearest)) << ours.scales.elements();
  }
}

TEST(LearnedRounding, GivesTheSameCodesForAnyNumberOfThreads) {
  const Case c = some_case(100, 300, 20);
  std::vector<QTensor> results;
  for (const int count : {1, 3}) {
    Threads threads(count);
    QTensor q = quantize(c.w, per_channel(Format::INT8), {}, threads);
    q.codes = Tensor(c.w.shape(), DType::I8);
    round_by_learning(c.w, q.weights, q.scales, {}, hessian_of(c.x, threads), {.iterations = 20}, threads,
                      q.codes.raw());
    results.push_back(q);
  }
  EXPECT_EQ(0, std::memcmp(results[0].codes.raw(), results[1].codes.raw(), 300 * 20));
}

}  // namespace
}  // namespace octet
