#include "quant/observer/observer.h"

#include "base/cpu.h"
#include "base/errors_for_tests.h"
#include "numeric/random.h"
#include "quant/error/list.h"
#include "quant/quantize.h"
#include "quant/rounding/code.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

float gaussian(const RandomStream& random, uint64_t i) {
  const double u = 1 - static_cast<double>(random.uniform(2 * i));
  return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * random.uniform(2 * i + 1)));
}

Tensor gaussians(Shape shape, uint32_t salt, DType dtype = DType::F32) {
  Tensor x(std::move(shape));
  const RandomStream random(3, 0, salt);
  for (int64_t i = 0; i < x.elements(); ++i) x.f32()[i] = gaussian(random, static_cast<uint64_t>(i));
  return from_f32(x, dtype);
}

double squared_error(const Tensor& w, const QTensor& q) {
  const Tensor numbers = to_f32(w), coded = dequantize(q);
  double sum = 0;
  for (int64_t i = 0; i < numbers.elements(); ++i) {
    const double d = static_cast<double>(numbers.f32()[i]) - coded.f32()[i];
    sum += d * d;
  }
  return sum;
}

QTensor quantize_with(const Tensor& w, const Quantization& q, std::string_view observer, const RangeOptions& options,
                      Threads& threads) {
  QTensor result{.weights = q};
  const Tensor ranges = observe_ranges(w, q, observer_named(observer), options, threads);
  result.scales = scales_of(ranges, q, w.dtype(), options.quantize, "w");
  result.codes = Tensor(w.shape(), code_dtype(q.format));
  round_to_nearest(w, 0, q, result.scales, options.quantize, result.codes.raw());
  return result;
}

constexpr Quantization kKinds[] = {per_channel(Format::INT8), per_group(Format::INT8, 32),
                                   per_channel(Format::E4M3), per_block(Format::E4M3, 8, 64),
                                   per_tensor(Format::E5M2),  with_e8m0_scales(per_group(Format::E4M3, 32))};

TEST(ErrorSums, AreThoseOfEncodingAndDecoding) {
  const Tensor x = gaussians({3, 100}, 1), weight = gaussians({100}, 2);
  for (const Format format : {Format::INT8, Format::E4M3, Format::E5M2}) {
    const Code code(format);
    for (const float scale : {0.01f, 0.2f, 3e-5f, 40.0f}) {
      const float end = format_info(format).max_finite;
      const ErrorSum sum{x.f32(), weight.f32(), 3, 97, 100, scale, format == Format::INT8 ? -128.0f : -end, end};
      double expected = 0;
      for (int64_t row = 0; row < 3; ++row) {
        for (int64_t j = 0; j < 97; ++j) {
          const double number = x.f32()[row * 100 + j];
          const double d =
              number - static_cast<double>(code.decode(code.encode(static_cast<float>(number / scale)))) * scale;
          expected += d * d * weight.f32()[j];
        }
      }
      const float got = format == Format::INT8   ? int8_error(sum)
                        : format == Format::E4M3 ? e4m3_error(sum)
                                                 : e5m2_error(sum);
      EXPECT_NEAR(got, expected, 1e-4 * std::abs(expected) + 1e-9) << format_info(format).name << " " << scale;
    }
  }
}

TEST(ErrorSums, HaveTheSameBitsOnEveryInstructionSet) {
  const Tensor x = gaussians({5, 77}, 3), weight = gaussians({77}, 4);
  const ErrorSum sum{x.f32(), weight.f32(), 5, 77, 77, 0.013f, -128, 127};
  const ErrorSum wide{x.f32(), nullptr, 5, 77, 77, 0.004f, -448, 448};
  if ((cpu_features() & kAvx2) != 0) {
    EXPECT_EQ(int8_error__avx2(sum), int8_error__reference(sum));
    EXPECT_EQ(e4m3_error__avx2(wide), e4m3_error__reference(wide));
    EXPECT_EQ(e5m2_error__avx2(wide), e5m2_error__reference(wide));
  }
  if ((cpu_features() & kAvx512) != 0) {
    EXPECT_EQ(int8_error__avx512(sum), int8_error__reference(sum));
    EXPECT_EQ(e4m3_error__avx512(wide), e4m3_error__reference(wide));
    EXPECT_EQ(e5m2_error__avx512(wide), e5m2_error__reference(wide));
  }
}

TEST(Observers, MinmaxIsTheLargestMagnitudeOfEverySet) {
  const Tensor w = gaussians({19, 150}, 5, DType::BF16);
  Threads threads(2);
  for (const Quantization& q : kKinds) {
    const Tensor ours = observe_ranges(w, q, observer_named("minmax"), {}, threads), expected = minmax_ranges(w, q);
    ASSERT_EQ(ours.shape(), expected.shape());
    EXPECT_EQ(0, std::memcmp(ours.raw(), expected.raw(), static_cast<size_t>(ours.bytes())));
  }
}

TEST(Observers, MseIsNeverWorseThanMinmaxInAnyFormat) {
  Threads threads(2);
  for (const DType dtype : {DType::BF16, DType::F32, DType::F16}) {
    const Tensor w = gaussians({19, 150}, 6, dtype);
    for (const Quantization& q : kKinds) {
      EXPECT_LE(squared_error(w, quantize_with(w, q, "mse", {}, threads)),
                squared_error(w, quantize_with(w, q, "minmax", {}, threads)) * (1 + 1e-5));
    }
  }
}

// compressed-tensors divides in bfloat16, which costs a tenth; the scale search gains more.
TEST(Observers, Int8LosesATenthLessThanCompressedTensorsAndMoreWithTheScaleSearch) {
  const Tensor w = gaussians({64, 4096}, 7, DType::BF16);
  Threads threads(2);
  const Quantization q = per_channel(Format::INT8);
  const double theirs = squared_error(w, quantize(w, q, {.match = Match::compressed_tensors}, threads));
  const double plain = squared_error(w, quantize(w, q, {}, threads));
  const double searched = squared_error(w, quantize_with(w, q, "mse", {}, threads));
  EXPECT_LE(plain, 0.91 * theirs);
  EXPECT_LE(searched, 0.88 * theirs);
}

TEST(Observers, ImportantColumnsDecideTheRange) {
  Tensor w = gaussians({1, 256}, 8);
  w.f32()[7] = 60;  // an outlier that no input meets
  std::vector<float> importance(256, 1);
  Threads threads(1);
  const Quantization q = per_channel(Format::INT8);
  RangeOptions options;
  options.importance = importance;
  const float all = observe_ranges(w, q, observer_named("importance_mse"), options, threads).f32()[0];
  EXPECT_EQ(all, observe_ranges(w, q, observer_named("mse"), {}, threads).f32()[0]);
  importance[7] = 0;
  EXPECT_LT(observe_ranges(w, q, observer_named("importance_mse"), options, threads).f32()[0], 0.6f * all);
}

TEST(Observers, PercentileLeavesOutTheLargest) {
  Tensor w({1, 20000});
  for (int i = 0; i < 20000; ++i) w.f32()[i] = static_cast<float>((i * 7919) % 20000 + 1) * (i % 2 ? 1.0f : -1.0f);
  Threads threads(1);
  const Quantization q = per_channel(Format::INT8);
  EXPECT_EQ(observe_ranges(w, q, observer_named("percentile"), {}, threads).f32()[0], 19998);  // 2 of 20000
  RangeOptions options;
  options.percentile = 99;
  EXPECT_EQ(observe_ranges(w, q, observer_named("percentile"), options, threads).f32()[0], 19800);
}

TEST(Observers, KlClipsAnOutlierAndKeepsAUniformRange) {
  Threads threads(1);
  const Quantization q = per_channel(Format::INT8);
  Tensor w = gaussians({1, 1 << 16}, 9);
  w.f32()[5] = 100;
  const float clipped = observe_ranges(w, q, observer_named("kl"), {}, threads).f32()[0];
  EXPECT_GT(clipped, 3);
  EXPECT_LT(clipped, 20);
  Tensor even({1, 1 << 16});
  for (int64_t i = 0; i < even.elements(); ++i) even.f32()[i] = static_cast<float>(i);
  EXPECT_GT(observe_ranges(even, q, observer_named("kl"), {}, threads).f32()[0], 0.97f * (1 << 16));
}

TEST(Observers, AverageOverInputsAndNotOverTheRowsOfAWeight) {
  Tensor w = gaussians({64, 64}, 11);
  w.f32()[63 * 64] = 50;
  Threads threads(1);
  for (const Quantization& q : {per_tensor(Format::INT8), per_channel(Format::INT8)}) {
    const Tensor averaged = observe_ranges(w, q, observer_named("moving_average"), {}, threads);
    const Tensor whole = minmax_ranges(w, q);
    for (int64_t i = 0; i < whole.elements(); ++i) EXPECT_EQ(averaged.f32()[i], whole.f32()[i]);
  }
}

TEST(Observers, SayWhereANumberIsNotFiniteAndKeepZeros) {
  Tensor w = gaussians({3, 64}, 10);
  for (int64_t j = 0; j < 64; ++j) w.f32()[j] = 0;
  w.f32()[64 + 9] = std::nanf("");
  Threads threads(1);
  for (const RangeObserver& observer : range_observers()) {
    const Tensor ranges = observe_ranges(w, per_channel(Format::INT8), observer, {}, threads);
    EXPECT_EQ(ranges.f32()[0], 0) << observer.name;
    EXPECT_FALSE(std::isfinite(ranges.f32()[1])) << observer.name;
    EXPECT_GT(ranges.f32()[2], 0) << observer.name;
  }
}

TEST(Observers, AreListedWhenANameIsWrong) {
  expect_error([] { observer_named("minmix"); }, {"there is no observer minmix; there are minmax, moving_average"});
}

TEST(InputStreams, DoNotDependOnThreadsAndWidenWithoutLosingACount) {
  const Tensor x = gaussians({300, 700}, 11);
  std::vector<std::vector<uint64_t>> counts;
  for (const int count : {1, 4}) {
    Threads threads(count);
    InputStream stream;
    EXPECT_TRUE(stream.add(x.f32(), 700, threads));
    EXPECT_TRUE(stream.add(x.f32() + 700, 299 * 700, threads));
    const float outlier = -1000;
    EXPECT_TRUE(stream.add(&outlier, 1, threads));
    EXPECT_EQ(stream.range().min, -1000);
    EXPECT_EQ(stream.reach(), 1024);
    uint64_t total = 0;
    for (const uint64_t n : stream.counts()) total += n;
    EXPECT_EQ(total, 300 * 700 + 1);
    counts.push_back(stream.counts());
    const float bad = std::nanf("");
    EXPECT_FALSE(stream.add(&bad, 1, threads));
  }
  EXPECT_EQ(counts[0], counts[1]);
}

TEST(InputStreams, AverageFollowsItsDefinition) {
  Threads threads(1);
  InputStream stream;
  const float first[] = {-1, 2}, second[] = {-3, 10};
  stream.add(first, 2, threads);
  stream.add(second, 2, threads);
  EXPECT_FLOAT_EQ(stream.average().min, 0.99f * -1 + 0.01f * -3);
  EXPECT_FLOAT_EQ(stream.average().max, 0.99f * 2 + 0.01f * 10);
}

TEST(InputStreams, ObserversClipALoneOutlier) {
  Threads threads(2);
  Tensor x = gaussians({400, 500}, 12);
  x.f32()[77] = 300;
  InputStream stream;
  stream.add(x.f32(), x.elements(), threads);
  const Quantization q = per_tensor(Format::INT8), shifted = with_zero_point(q);
  for (const std::string_view name : {"percentile", "kl"}) {
    EXPECT_GT(observer_named(name).of_stream(stream, q, {}).max, 2.5f) << name;
    EXPECT_LT(observer_named(name).of_stream(stream, q, {}).max, 20) << name;
  }
  // n·step²/12 of rounding and (300 - t)² of clipping are least together near 148, where steps are still fine.
  EXPECT_NEAR(observer_named("mse").of_stream(stream, q, {}).max, 140, 20);
  EXPECT_LT(observer_named("mse").of_stream(stream, shifted, {}).max, 260);
  EXPECT_EQ(observer_named("minmax").of_stream(stream, q, {}).max, 300);
}

}  // namespace
}  // namespace octet
