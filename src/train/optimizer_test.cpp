#include "train/optimizer.h"

#include <gtest/gtest.h>

#include "base/errors_for_tests.h"
#include "files/safetensors.h"
#include "numeric/random.h"
#include "train/dynamic_map.h"
#include "train/moment.h"
#include "train/schedule.h"

namespace octet::train {
namespace {

// What PyTorch, torchao and Transformers make of the same numbers: make_optimizer_goldens.py.
class Goldens {
 public:
  Goldens() : file_(OCTET_GOLDEN_DIR "/train/optimizer.safetensors") {}
  template <typename T = float>
  std::vector<T> get(const std::string& name) const {
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name != name) continue;
      const Tensor tensor = file_.view(info);
      return {tensor.data<T>(), tensor.data<T>() + tensor.elements()};
    }
    ADD_FAILURE() << "no golden " << name;
    return {};
  }

 private:
  SafetensorsFile file_;
};

constexpr double kRates[] = {1e-2, 5e-3, 2e-2, 1e-3};

struct Case {
  const char* name;
  OptimizerOptions options;
  double weight_decay;
  double clip = 0;
};

OptimizerOptions sgd(double momentum, double dampening = 0, bool nesterov = false) {
  return {.kind = OptimizerKind::sgd, .momentum = momentum, .dampening = dampening, .nesterov = nesterov};
}

std::vector<float> run(const OptimizerOptions& options, double weight_decay, double clip, std::vector<float> weights,
                       const std::vector<float>& gradients, OptimizerState& state, int threads) {
  Threads crew(threads);
  const size_t n = weights.size();
  for (int64_t step = 1; step <= 4; ++step) {
    const std::span<const float> g(gradients.data() + static_cast<size_t>(step - 1) * n, n);
    const float scale = clip_coefficient(std::sqrt(sum_of_squares(g, crew)), clip);
    optimizer_step(options, {kRates[step - 1], weight_decay, scale, step}, weights, g, state, crew);
  }
  return weights;
}

// A few roundings apart; where numbers cancelled, a few of the numbers that did, which were about `scale`.
void expect_close(const std::vector<float>& found, const std::vector<float>& expected, double scale,
                  const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 1e-6 * std::abs(expected[i]) + 2e-7 * scale) << what << " " << i;
  }
}

TEST(Optimizer, StepsAsPyTorchDoes) {
  const Goldens goldens;
  const OptimizerOptions adam{.kind = OptimizerKind::adam};
  const OptimizerOptions adamw{.kind = OptimizerKind::adamw, .beta2 = 0.95};
  const Case cases[] = {{"sgd", sgd(0), 0.1},
                        {"sgd_momentum", sgd(0.9), 0.1},
                        {"sgd_dampening", sgd(0.9, 0.5), 0},
                        {"sgd_nesterov", sgd(0.9, 0, true), 0},
                        {"adam", adam, 0},
                        {"adam_l2", adam, 0.1},
                        {"adamw", adamw, 0.1},
                        {"adamw_clipped", adamw, 0.1, 1.0}};
  for (const Case& c : cases) {
    check(c.options);
    const std::string name = c.name;
    OptimizerState state(c.options, 300);
    const auto weights =
        run(c.options, c.weight_decay, c.clip, goldens.get("weights"), goldens.get("gradients"), state, 1);
    expect_close(weights, goldens.get(name + ".weights"), 1, name);
    for (const auto& [key, moment] : state.moments()) {
      expect_close(moment->values, goldens.get(fmt::format("{}.{}", name, key)), 1e-2, fmt::format("{} {}", name, key));
    }
  }
}

TEST(Optimizer, SumsSquaresAsFloat64Does) {
  const Goldens goldens;
  Threads threads(2);
  const double expected = goldens.get<double>("sum_of_squares")[0];
  EXPECT_NEAR(sum_of_squares(goldens.get("gradients"), threads), expected, 1e-12 * expected);
}

TEST(Optimizer, DynamicMapsAndCodesAreTorchaos) {
  const Goldens goldens;
  for (const bool is_signed : {true, false}) {
    const std::string kind = is_signed ? "signed" : "unsigned";
    const auto map = dynamic_map(is_signed);
    EXPECT_EQ(std::vector<float>(map.begin(), map.end()), goldens.get("map." + kind));
    EXPECT_EQ(map[code_of_zero(is_signed)], 0.0f);
    const auto x = goldens.get("encode." + kind + ".x");
    std::vector<uint8_t> codes(x.size());
    encode_dynamic(is_signed, false, x.data(), static_cast<int64_t>(x.size()), codes.data());
    const auto expected = goldens.get<uint8_t>("encode." + kind + ".codes");
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(codes[i], expected[i]) << kind << " " << x[i];
  }
}

// The definition, without the table: F32 differences to the two neighbours.
uint8_t nearest_code(float x, std::span<const float, 256> map) {
  size_t down = 0;
  for (size_t i = 0; i < 256; ++i) down = x >= map[i] ? i : down;
  const size_t up = std::min<size_t>(down + 1, 255);
  return static_cast<uint8_t>(x - map[down] >= (map[up] - map[down]) * 0.5f ? up : down);
}

TEST(Optimizer, DynamicCodesAreTheNearestAllOver) {
  for (const bool is_signed : {true, false}) {
    const auto map = dynamic_map(is_signed);
    std::vector<float> x;
    for (uint32_t bits = 0; bits <= 0x3F800000; bits += 4099) x.push_back(std::bit_cast<float>(bits));
    const size_t positive = x.size();
    for (size_t i = 0; is_signed && i < positive; ++i) x.push_back(-x[i]);
    std::vector<uint8_t> codes(x.size());
    encode_dynamic(is_signed, false, x.data(), static_cast<int64_t>(x.size()), codes.data());
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(codes[i], nearest_code(x[i], map)) << x[i];
  }
}

TEST(Optimizer, MomentsOfEightBitsHaveTorchaosCodesAndScales) {
  const Goldens goldens;
  const auto x = goldens.get("blocks.x");
  const auto n = static_cast<int64_t>(x.size());
  for (const StateFormat format : {StateFormat::int8, StateFormat::fp8}) {
    const std::string name = fmt::format("blocks.{}", name_of(format));
    Moment moment = make_moment(format, true, n);
    for (int64_t at = 0; at < n; at += kStateBlock) {
      float block[kStateBlock];
      std::copy_n(x.begin() + at, kStateBlock, block);
      store_block(moment, at, kStateBlock, block, {.keep_positive = false});
    }
    EXPECT_EQ(moment.scales, goldens.get(name + ".scales")) << name;
    EXPECT_EQ(moment.codes, goldens.get<uint8_t>(name + ".codes")) << name;
  }
}

TEST(Optimizer, StepsInEightBitsAsTorchaoDoes) {
  const Goldens goldens;
  for (const StateFormat format : {StateFormat::int8, StateFormat::fp8}) {
    const std::string name(name_of(format));
    const OptimizerOptions options{
        .state = format, .beta2 = 0.95, .keep_positive = false, .stochastic = false, .smallest_quantized = 256};
    OptimizerState state(options, 1024);
    const auto weights = run(options, 0.1, 0, goldens.get("block.weights"), goldens.get("block.gradients"), state, 1);
    expect_close(weights, goldens.get(name + ".weights"), 5, name);
    for (const auto& [key, moment] : state.moments()) {
      const std::string what = fmt::format("{}.{}", name, key);
      expect_close(moment->scales, goldens.get(what + ".scales"), 0, what);
      const auto codes = goldens.get<uint8_t>(what + ".codes");
      size_t different = 0;  // where F32 rounds the other way
      for (size_t i = 0; i < codes.size(); ++i) different += codes[i] != moment->codes[i];
      EXPECT_LE(different, codes.size() / 500) << what;
    }
  }
}

TEST(Optimizer, SmallSecondMomentsDoNotBecomeZero) {
  Threads threads(1);
  for (const StateFormat format : {StateFormat::int8, StateFormat::fp8}) {
    const OptimizerOptions options{.state = format, .smallest_quantized = 1};
    OptimizerState state(options, 256);
    std::vector<float> weights(256, 0.0f), gradients(256, 1e-6f);
    gradients[0] = 1.0f;  // its square is 1e12 of the others'
    gradients[1] = 0.0f;
    optimizer_step(options, {1e-3, 0, 1, 1}, weights, gradients, state, threads);
    EXPECT_GT(state.moment[1].codes[2], 0) << name_of(format);
    EXPECT_EQ(state.moment[1].codes[1], 0) << name_of(format);
    std::fill(gradients.begin(), gradients.end(), 0.0f);
    const float before = weights[2];
    optimizer_step(options, {1e-3, 0, 1, 2}, weights, gradients, state, threads);
    EXPECT_LT(std::abs(weights[2] - before), 2e-3f) << name_of(format);
  }
}

// beta2 of 0.999 moves a second moment by less than codes lie apart: it must go on all the same, in the mean.
TEST(Optimizer, SecondMomentsOfEightBitsFollowThoseOfF32) {
  constexpr size_t kCount = 16 * 256;
  Threads threads(1);
  for (const StateFormat format : {StateFormat::int8, StateFormat::fp8}) {
    const OptimizerOptions floats{.smallest_quantized = 1}, bytes{.state = format, .smallest_quantized = 1};
    OptimizerState wide(floats, kCount), narrow(bytes, kCount);
    std::vector<float> a(kCount, 0.0f), b = a, gradients(kCount);
    for (uint32_t step = 1; step <= 1500; ++step) {
      const RandomStream random(7, step, 0);
      for (size_t i = 0; i < kCount; ++i) gradients[i] = (random.uniform(i) - 0.5f) * (step <= 500 ? 1.0f : 0.3f);
      optimizer_step(floats, {1e-3, 0, 1, step}, a, gradients, wide, threads);
      optimizer_step(bytes, {1e-3, 0, 1, step}, b, gradients, narrow, threads);
    }
    double sum = 0, sum_of_bytes = 0;
    for (int64_t at = 0; at < static_cast<int64_t>(kCount); at += kStateBlock) {
      float values[kStateBlock];
      load_block(narrow.moment[1], at, kStateBlock, values);
      for (int64_t i = 0; i < kStateBlock; ++i) {
        sum += wide.moment[1].values[static_cast<size_t>(at + i)];
        sum_of_bytes += values[i];
      }
    }
    EXPECT_NEAR(sum_of_bytes / sum, 1, 0.02) << name_of(format);
  }
}

TEST(Optimizer, DoesNotDependOnThreads) {
  const size_t n = 100'003;
  const RandomStream random(1, 0, 0);
  std::vector<float> weights(n), gradients(4 * n);
  for (size_t i = 0; i < n; ++i) weights[i] = random.uniform(i) - 0.5f;
  for (size_t i = 0; i < 4 * n; ++i) gradients[i] = random.uniform(n + i) - 0.5f;
  for (const StateFormat format : {StateFormat::f32, StateFormat::fp8, StateFormat::int8}) {
    const OptimizerOptions options{.state = format};
    OptimizerState one(options, n), three(options, n);
    EXPECT_EQ(run(options, 0.1, 1, weights, gradients, one, 1), run(options, 0.1, 1, weights, gradients, three, 3));
    EXPECT_EQ(one.moment[1].codes, three.moment[1].codes);
    EXPECT_EQ(one.moment[1].values, three.moment[1].values);
  }
}

TEST(Optimizer, StateOfEightBitsTakesLessThanAThird) {
  const int64_t n = 1'000'000;
  const OptimizerOptions floats, bytes{.state = StateFormat::int8};
  EXPECT_EQ(OptimizerState(floats, n).bytes(), 8 * n);
  EXPECT_EQ(OptimizerState(bytes, n).bytes(), OptimizerState::bytes_for(bytes, n));
  EXPECT_LE(OptimizerState::bytes_for(bytes, n) * 10, OptimizerState::bytes_for(floats, n) * 3);
  EXPECT_EQ(OptimizerState(bytes, 4095).bytes(), 8 * 4095);  // small tensors stay whole
  EXPECT_EQ(OptimizerState(sgd(0), n).bytes(), 0);
}

TEST(Optimizer, NumbersThatAreNotFiniteStayInTheirElement) {
  Threads threads(1);
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const StateFormat format : {StateFormat::f32, StateFormat::fp8, StateFormat::int8}) {
    for (const float bad : {nan, infinity, -infinity}) {
      const OptimizerOptions options{.state = format, .smallest_quantized = 1};
      OptimizerState state(options, 512);
      std::vector<float> weights(512, 1.0f), gradients(512, 0.1f);
      gradients[300] = bad;
      optimizer_step(options, {1e-3, 0, 1, 1}, weights, gradients, state, threads);
      EXPECT_FALSE(std::isfinite(weights[300]));
      EXPECT_TRUE(std::isfinite(weights[0]) && std::isfinite(weights[299]));
      optimizer_step(options, {1e-3, 0, 1, 2}, weights, gradients, state, threads);
      EXPECT_TRUE(std::isfinite(weights[0]));
    }
  }
}

TEST(Optimizer, RefusesWhatCannotBe) {
  expect_error([] { check(OptimizerOptions{.beta2 = 1}); }, {"beta2 is 1"});
  expect_error([] { check(OptimizerOptions{.epsilon = 0}); }, {"epsilon"});
  expect_error([] { check(sgd(0, 0, true)); }, {"nesterov"});
  expect_error([] { optimizer_named("lion"); }, {"sgd, adam, adamw"});
  expect_error([] { state_format_named("int4"); }, {"f32, fp8, int8"});
  Threads threads(1);
  OptimizerState state(OptimizerOptions{}, 8);
  std::vector<float> w(9), g(9);
  expect_error([&] { optimizer_step({}, {}, w, g, state, threads); }, {"state"});
}

TEST(Optimizer, NormsBiasesAndEmbeddingsCanBeLeftUndecayed) {
  EXPECT_TRUE(is_decayed("model.layers.0.self_attn.q_proj.weight", 2));
  EXPECT_TRUE(is_decayed("lm_head.weight", 2));
  EXPECT_FALSE(is_decayed("model.layers.0.self_attn.q_proj.bias", 1));
  EXPECT_FALSE(is_decayed("model.norm.weight", 1));
  EXPECT_FALSE(is_decayed("model.embed_tokens.weight", 2));
}

TEST(Schedule, MovesAsTransformersDoes) {
  const Goldens goldens;
  for (const Decay decay : {Decay::constant, Decay::linear, Decay::cosine}) {
    const Schedule schedule{decay, 5, 40};
    check(schedule);
    const auto expected = goldens.get<double>(fmt::format("schedule.{}", name_of(decay)));
    for (size_t i = 0; i < 40; ++i) {
      EXPECT_NEAR(schedule.factor(static_cast<int64_t>(i) + 1), expected[i], 1e-12) << name_of(decay) << " " << i;
    }
    const Schedule floored{decay, 5, 40, 0.1};
    EXPECT_NEAR(floored.factor(1000), decay == Decay::constant ? 1 : 0.1, 1e-12);
  }
  expect_error([] { check(Schedule{Decay::linear, 50, 40}); }, {"warmup_steps is 50"});
  EXPECT_EQ((Schedule{Decay::cosine, 0, 1}).factor(1), 1.0);
}

}  // namespace
}  // namespace octet::train
