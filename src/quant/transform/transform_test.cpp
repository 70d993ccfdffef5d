#include <cmath>

#include "base/errors_for_tests.h"
#include "numeric/random.h"
#include "quant/correction/bias.h"
#include "quant/quantize.h"
#include "quant/transform/refine.h"
#include "quant/transform/rotation.h"
#include "quant/transform/smoothing.h"

namespace octet {
namespace {

Tensor uniform(Shape shape, uint32_t salt) {
  Tensor x(std::move(shape));
  const RandomStream random(5, 0, salt);
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = random.uniform(static_cast<uint64_t>(i)) - 0.5f;
  return x;
}

Tensor copy_of(const Tensor& x) {
  Tensor copy(x.shape());
  std::memcpy(copy.raw(), x.raw(), static_cast<size_t>(x.bytes()));
  return copy;
}

double dot(const float* a, const float* b, int64_t n, int64_t stride = 1) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i * stride];
  return sum;
}

class RotationOfWidth : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Widths, RotationOfWidth, testing::Values(1, 2, 7, 64, 96, 172, 576, 1024));

TEST_P(RotationOfWidth, KeepsEveryDotProduct) {
  const int64_t d = GetParam();
  Threads threads(2);
  const Rotation rotation(d, 0, 0);
  const Tensor x = uniform({9, d}, 1);
  Tensor rotated = copy_of(x);
  rotation.rotate_rows(rotated, threads);
  for (int64_t i = 0; i < 9; ++i) {
    for (int64_t j = 0; j < 9; ++j) {
      EXPECT_NEAR(dot(x.f32() + i * d, x.f32() + j * d, d), dot(rotated.f32() + i * d, rotated.f32() + j * d, d), 1e-4);
    }
  }
}

TEST_P(RotationOfWidth, OfAnOutputMeetsThatOfTheNextInput) {
  const int64_t d = GetParam();
  Threads threads(2);
  const Rotation rotation(d, 3, 1);
  const Tensor first = uniform({d, 21}, 2), second = uniform({11, d}, 3);  // second · first
  Tensor out = copy_of(first), in = copy_of(second);
  rotation.rotate_columns(out, threads);
  rotation.rotate_rows(in, threads);
  for (int64_t i = 0; i < 11; ++i) {
    for (int64_t j = 0; j < 21; ++j) {
      EXPECT_NEAR(dot(second.f32() + i * d, first.f32() + j, d, 21), dot(in.f32() + i * d, out.f32() + j, d, 21), 1e-4);
    }
  }
}

TEST(Rotation, SpreadsAnOutlierOverAllChannels) {
  Threads threads(1);
  for (const int64_t d : {64, 96, 172}) {
    Tensor x = Tensor::zeros({1, d});
    x.f32()[3] = 100;
    Rotation(d, 0, 0).rotate_rows(x, threads);
    float most = 0;
    for (int64_t i = 0; i < d; ++i) most = std::max(most, std::abs(x.f32()[i]));
    EXPECT_LT(most, d == 172 ? 49 : 35) << d;  // 172: Hadamard of 4, the rest by chance
  }
}

TEST(Rotation, OfAPartOfTheColumnsTurnsEachHeadByItself) {
  Threads threads(2);
  const Rotation rotation(8, 1, 0);
  const Tensor x = uniform({3, 32}, 4);
  Tensor whole = copy_of(x), columns = copy_of(x.reshaped({32, 3}));
  rotation.rotate_rows(whole, threads);
  rotation.rotate_columns(columns, threads);
  Tensor head({1, 8});
  std::memcpy(head.raw(), x.f32() + 32 + 16, 32);
  rotation.rotate_rows(head, threads);
  EXPECT_EQ(0, std::memcmp(head.raw(), whole.f32() + 32 + 16, 32));
  for (int64_t i = 0; i < 8; ++i) head.f32()[i] = x.f32()[(16 + i) * 3 + 1];
  rotation.rotate_rows(head, threads);
  for (int64_t i = 0; i < 8; ++i) EXPECT_EQ(head.f32()[i], columns.f32()[(16 + i) * 3 + 1]);
}

struct Outliers {
  Tensor x = uniform({64, 48}, 5), w = uniform({40, 48}, 6);
  SmoothingStatistics statistics;
  Outliers() {
    for (int64_t t = 0; t < 64; ++t) {
      x.f32()[t * 48 + 11] *= 80;
      x.f32()[t * 48 + 30] = 0;
    }
    statistics.input_max.resize(48);
    statistics.input_mean.resize(48);
    for (int64_t i = 0; i < x.elements(); ++i) {
      const auto j = static_cast<size_t>(i % 48);
      statistics.input_max[j] = std::max(statistics.input_max[j], std::abs(x.f32()[i]));
      statistics.input_mean[j] += std::abs(x.f32()[i]) / 64;
    }
    Threads threads(1);
    add_weight_statistics(w, statistics, threads);
  }
};

TEST(Smoothing, StatisticsAreThoseOfTheWeight) {
  const Outliers o;
  for (int64_t j = 0; j < 48; ++j) {
    double mean = 0;
    float most = 0;
    for (int64_t n = 0; n < 40; ++n) {
      float row = 0;
      for (int64_t i = 0; i < 48; ++i) row = std::max(row, std::abs(o.w.f32()[n * 48 + i]));
      most = std::max(most, std::abs(o.w.f32()[n * 48 + j]));
      mean += std::abs(o.w.f32()[n * 48 + j]) / row / 40;
    }
    EXPECT_EQ(o.statistics.weight_max[static_cast<size_t>(j)], most);
    EXPECT_NEAR(o.statistics.weight_mean[static_cast<size_t>(j)], mean, 1e-6);
  }
}

TEST(Smoothing, FactorsAreThePapersUpToAConstant) {
  const Outliers o;
  const auto& s = o.statistics;
  const auto quant = smoothquant_factors(s, 0.75), awq = awq_factors(s, 0.25);
  const double first = std::pow(s.input_max[0], 0.75) / std::pow(s.weight_max[0], 0.25);
  const double awq_first = std::pow(s.input_mean[0], 0.25) / std::pow(s.weight_mean[0], 0.75);
  for (size_t j = 0; j < 48; ++j) {
    if (j == 30) {  // nothing comes through
      EXPECT_EQ(quant[j], 1);
      EXPECT_EQ(awq[j], 1);
      continue;
    }
    const double expected = std::pow(s.input_max[j], 0.75) / std::pow(s.weight_max[j], 0.25);
    EXPECT_NEAR(quant[j] / quant[0], expected / first, 1e-4 * expected / first);
    const double of_awq = std::pow(s.input_mean[j], 0.25) / std::pow(s.weight_mean[j], 0.75);
    EXPECT_NEAR(awq[j] / awq[0], of_awq / awq_first, 1e-4 * of_awq / awq_first);
  }
}

TEST(Smoothing, SearchTakesTheOutlierOutOfTheInput) {
  const Outliers o;
  Threads threads(2);
  const SmoothingTarget target{per_channel(Format::INT8), per_token(Format::INT8), {}, DType::F32, {}};
  const SmoothingResult result =
      search_smoothing(smoothings()[0], o.statistics, {o.x, {}}, std::span(&o.w, 1), target, 10, threads);
  ASSERT_EQ(result.factors.size(), 48);
  EXPECT_GT(result.factors[11], 4 * result.factors[0]);
  EXPECT_LT(result.error, 0.5 * result.error_before);
}

// A channel that is larger in the later part of a text leaves a range that is fixed by the beginning.
TEST(Smoothing, WithAFixedScaleIsJudgedOnRowsThatDidNotSetIt) {
  const Outliers o;
  Threads threads(2);
  const int64_t rows = o.x.size(0), early = rows * 3 / 4;
  SmoothingSamples samples{.x = Tensor({rows, 48}), .early = early};
  samples.early_min.resize(48), samples.early_max.resize(48);
  SmoothingStatistics statistics = o.statistics;
  std::fill(statistics.input_max.begin(), statistics.input_max.end(), 0.0f);
  for (int64_t i = 0; i < samples.x.elements(); ++i) {
    const auto channel = static_cast<size_t>(i % 48);
    const float value = samples.x.f32()[i] = o.x.f32()[i] * (i / 48 >= early && channel % 2 == 0 ? 12.0f : 1.0f);
    statistics.input_max[channel] = std::max(statistics.input_max[channel], std::abs(value));
    if (i / 48 >= early) continue;
    samples.early_min[channel] = std::min(samples.early_min[channel], value);
    samples.early_max[channel] = std::max(samples.early_max[channel], value);
  }
  const SmoothingTarget fixed{per_channel(Format::INT8), per_tensor(Format::INT8), {}, DType::F32, {}};
  const auto result = [&] {
    return search_smoothing(smoothings()[0], statistics, samples, std::span(&o.w, 1), fixed, 10, threads);
  };
  const SmoothingResult judged = result();
  EXPECT_LE(judged.error, judged.error_before);
  samples.early = 0;  // as if all rows were known
  const SmoothingResult all = result();
  ASSERT_FALSE(all.factors.empty());
  EXPECT_LT(judged.strength, all.strength);
}

TEST(Smoothing, ColumnsThatOthersMakeUpForMayBeRoundedCoarser) {
  const Outliers o;
  Threads threads(2);
  const auto factors = [&](const std::vector<float>& costs) {
    return refine_int8_factors(o.x, costs, std::span(&o.w, 1), {}, {}, threads);
  };
  std::vector<float> costs(48);
  for (int64_t i = 0; i < o.x.elements(); ++i) {
    costs[static_cast<size_t>(i % 48)] += o.x.f32()[i] * o.x.f32()[i] / static_cast<float>(o.x.size(0));
  }
  const std::vector<float> alone = factors(costs);
  costs[7] /= 100;
  const std::vector<float> together = factors(costs);
  EXPECT_LT(together[7], 0.8f * alone[7]);
  const std::vector<float> plain = factors({});  // costs are the squares
  for (size_t j = 0; j < 48; ++j) EXPECT_NEAR(plain[j], alone[j], 1e-3 * alone[j]);
}

TEST(Smoothing, ChannelsThatNothingCameThroughStay) {
  Outliers o;
  for (int64_t i = 5; i < o.x.elements(); i += 48) o.x.f32()[i] = 0;
  Threads threads(2);
  EXPECT_EQ(refine_int8_factors(o.x, {}, std::span(&o.w, 1), {}, {}, threads)[5], 1);
}

TEST(Smoothing, LeavesAWeightOnlySchemeToAwq) {
  const Outliers o;
  Threads threads(2);
  const SmoothingTarget target{per_group(Format::INT8, 16), std::nullopt, {}, DType::F32, {}};
  const SmoothingResult result =
      search_smoothing(smoothings()[1], o.statistics, {o.x, {}}, std::span(&o.w, 1), target, 20, threads);
  EXPECT_LT(result.error, 0.95 * result.error_before);
}

TEST(Smoothing, ChannelsThatShareAFactorGetOne) {
  const Outliers o;
  Threads threads(2);
  SmoothingTarget target{per_channel(Format::INT8), per_token(Format::INT8), {}, DType::F32, {}};
  for (int32_t j = 0; j < 48; ++j) target.share.push_back(j % 24);
  const SmoothingResult result =
      search_smoothing(smoothings()[0], o.statistics, {o.x, {}}, std::span(&o.w, 1), target, 10, threads);
  ASSERT_EQ(result.factors.size(), 48);
  for (size_t j = 0; j < 24; ++j) EXPECT_EQ(result.factors[j], result.factors[j + 24]);
}

TEST(BiasCorrection, TakesTheMeanErrorOutOfTheOutput) {
  Threads threads(2);
  const Tensor w = uniform({12, 30}, 7), x = uniform({50, 30}, 8);
  const QTensor q = quantize(w, per_tensor(Format::E5M2), {}, threads);
  const Tensor coded = dequantize(q);
  std::vector<float> mean(30);
  for (int64_t i = 0; i < x.elements(); ++i) mean[static_cast<size_t>(i % 30)] += (x.f32()[i] + 1) / 50;
  Tensor bias = Tensor::zeros({12});
  correct_bias(bias, w, q, mean, threads);
  for (int64_t n = 0; n < 12; ++n) {
    double error = 0;
    for (int64_t t = 0; t < 50; ++t) {
      for (int64_t j = 0; j < 30; ++j) {
        error += (static_cast<double>(w.f32()[n * 30 + j]) - coded.f32()[n * 30 + j]) * (x.f32()[t * 30 + j] + 1);
      }
    }
    EXPECT_NEAR(bias.f32()[n], error / 50, 1e-5);
  }
}

}  // namespace
}  // namespace octet
