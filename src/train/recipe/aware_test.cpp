// Quantization-aware layers are PyTorch's forward and backward (tests/golden/make_aware_goldens.py).
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "files/safetensors.h"
#include "ops/aware_linear.h"
#include "ops/gradients_for_tests.h"
#include "ops/linear.h"
#include "train/recipe/recipe.h"

namespace octet::train {
namespace {

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

class Goldens {
 public:
  Goldens() : file_(std::filesystem::path(OCTET_GOLDEN_DIR) / "train/aware.safetensors") {}
  bool has(const std::string& name) const { return find(name) != nullptr; }
  Tensor operator[](const std::string& name) const {
    const TensorInfo* info = find(name);
    if (!info) ADD_FAILURE() << name << " is not there";
    const Tensor stored = file_.view(*info);
    Tensor copy(stored.shape());
    std::memcpy(copy.raw(), stored.raw(), static_cast<size_t>(copy.bytes()));
    return copy;
  }
  std::vector<std::string> cases() const {
    std::vector<std::string> names;
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name.ends_with(".dw")) names.push_back(info.name.substr(0, info.name.size() - 3));
    }
    return names;
  }

 private:
  const TensorInfo* find(const std::string& name) const {
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name == name) return &info;
    }
    return nullptr;
  }
  SafetensorsFile file_;
};

void expect_near(const Tensor& got, const Tensor& wanted, double bound, const char* what) {
  ASSERT_EQ(got.elements(), wanted.elements()) << what;
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < wanted.elements(); ++i) {
    largest = std::max(largest, std::abs(double{wanted.f32()[i]}));
    difference = std::max(difference, std::abs(double{got.f32()[i]} - wanted.f32()[i]));
  }
  EXPECT_LE(difference, bound * largest) << what;
}

TEST(InputRange, BeginsWithBothEndsOfTheFirstStep) {
  InputRange range;
  range.see({-1, 3});
  range.see({-2, 1});
  range.end_step();
  EXPECT_EQ(range.average, (InputRange::Ends{-2, 3}));
  range.see({0, 103});
  range.end_step();
  EXPECT_FLOAT_EQ(range.average[0], -1.98f);
  EXPECT_FLOAT_EQ(range.average[1], 4.0f);
}

/// A layer that is trained quantization-aware, products of its way back in F32.
struct Layer {
  Layer(const std::string& precision, const Tensor& x, const Tensor& w, DType dtype = DType::F32) {
    ctx.tape = &tape;
    input = tape.parameter(x);
    weight = Weight("layer", tape.parameter(w), Tensor(), {}, 0);
    learned = make_aware(*weight.trained(), precision_named("qat:" + precision), dtype, "layer", tape, two_threads());
  }
  Aware& aware() { return *weight.trained()->aware; }
  Tape tape;
  Context ctx{two_threads()};
  Tensor input;
  Weight weight;
  std::vector<Parameter> learned;
};

TEST(QuantizationAware, IsPyTorchsForwardAndBackward) {
  const Goldens goldens;
  const auto cases = goldens.cases();
  EXPECT_EQ(cases.size(), 26u);
  for (const std::string& name : cases) {
    SCOPED_TRACE(name);
    Layer layer(name, goldens["x"], goldens["w"]);
    Aware& aware = layer.aware();
    EXPECT_EQ(goldens.has(name + ".steps"), !aware.steps.empty());
    EXPECT_EQ(goldens.has(name + ".input"), aware.learns_input());
    const auto fill = [&](Tensor& x, const std::string& from) {
      std::memcpy(x.raw(), goldens[from].raw(), static_cast<size_t>(x.bytes()));
    };
    if (!aware.steps.empty()) fill(aware.steps, name + ".steps");
    if (aware.learns_input()) fill(aware.input, name + ".input");
    if (aware.static_input()) {
      const Tensor range = goldens[name + ".range"];
      aware.range.average = {range.f32()[0], range.f32()[1]};
    }
    Tensor y = linear(layer.ctx, layer.input, layer.weight);
    expect_near(y, goldens[name + ".y"], 2e-6, "y");
    layer.tape.add_gradient(layer.ctx, y, goldens["dy"]);
    layer.tape.run_back_to(layer.ctx, static_cast<size_t>(layer.tape.parameters()));
    const auto gradient = [&](const Tensor& x) { return layer.tape.gradient(x); };
    expect_near(gradient(layer.input), goldens[name + ".dx"], 2e-6, "dx");
    expect_near(gradient(layer.weight.trained()->value), goldens[name + ".dw"], 2e-6, "dw");
    if (!aware.steps.empty()) expect_near(gradient(aware.steps), goldens[name + ".dsteps"], 2e-5, "steps");
    if (aware.learns_input()) expect_near(gradient(aware.input), goldens[name + ".dinput"], 2e-5, "input");
  }
}

// Where every number is clipped the product is smooth in the step sizes: differences see the same gradient, but for
// LSQ's factor. (Inside the range, LSQ's gradient is by design not that of the stairs.)
TEST(QuantizationAware, LearnsStepSizesAsDifferencesSayWhereTheyAreSmooth) {
  const Tensor x = random_numbers({6, 64}, 1), w = random_numbers({5, 64}, 2);
  Layer layer("W8A8_STATIC+lsq", x, w);
  Aware& aware = layer.aware();
  for (int64_t i = 0; i < 5; ++i) aware.steps.f32()[i] = 1e-9f * static_cast<float>(i + 1);
  aware.input.f32()[0] = 1e-9f;
  aware.range.average = {-1, 1};
  const Tensor dy = random_numbers({6, 5}, 3);
  const auto value = [&] {
    layer.tape.set_recording(false);
    const Tensor y = linear(layer.ctx, layer.input, layer.weight);
    layer.tape.set_recording(true);
    double sum = 0;
    for (int64_t i = 0; i < y.elements(); ++i) sum += double{y.f32()[i]} * dy.f32()[i];
    return sum;
  };
  Tensor y = linear(layer.ctx, layer.input, layer.weight);
  layer.tape.add_gradient(layer.ctx, y, dy);
  layer.tape.run_back_to(layer.ctx, static_cast<size_t>(layer.tape.parameters()));
  for (const Parameter& p : layer.learned) {
    const double factor = 1 / std::sqrt(64 * 127.0);
    const Tensor gradient = layer.tape.gradient(p.value);
    for (int64_t i = 0; i < p.value.elements(); ++i) {
      float& step = Tensor(p.value).f32()[i];
      const float before = step;
      step = before * 1.25f;
      const double above = value();
      step = before * 0.75f;
      const double below = value();
      step = before;
      const double wanted = factor * (above - below) / (0.5 * double{before});
      EXPECT_NEAR(gradient.f32()[i], wanted, 2e-4 * std::abs(wanted)) << p.name << " " << i;
    }
  }
}

TEST(QuantizationAware, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const char* precision : {"qat:W8A8_STATIC+lsq", "qat:FP8_BLOCK+lsq", "qat:W8A8_ASYM+pact", "qat:MXFP8"}) {
    std::vector<Tensor> first;
    for (const int count : {1, 3}) {
      Threads threads(count);
      Context ctx(threads);
      Tape tape;
      ctx.tape = &tape;
      const Tensor x = tape.parameter(random_numbers({70, 256}, 1));
      const Weight weight("layer", tape.parameter(random_numbers({130, 256}, 2)), Tensor(), {}, 0);
      const auto learned =
          make_aware(*weight.trained(), precision_named(precision), DType::BF16, "layer", tape, threads);
      Aware& aware = *weight.trained()->aware;
      if (aware.static_input()) aware.range.see({-0.7f, 0.6f});
      aware.end_step();
      Tensor y = linear(ctx, x, weight);
      tape.add_gradient(ctx, y, random_numbers({70, 130}, 3));
      tape.run_back_to(ctx, static_cast<size_t>(tape.parameters()));
      std::vector<Tensor> all = {y, tape.gradient(x), tape.gradient(weight.trained()->value)};
      for (const Parameter& p : learned) all.push_back(tape.gradient(p.value));
      if (first.empty()) first = all;
      for (size_t i = 0; i < all.size(); ++i) {
        ASSERT_FALSE(all[i].empty()) << precision << " " << i;
        EXPECT_EQ(0, std::memcmp(all[i].raw(), first[i].raw(), static_cast<size_t>(all[i].bytes()))) << precision;
      }
    }
  }
}

TEST(QuantizationAware, ServesExactlyTheScalesThatAreLearned) {
  Layer layer("W8A16+lsq", random_numbers({3, 256}, 1), random_numbers({4, 256}, 2), DType::BF16);
  Tensor& steps = layer.aware().steps;
  for (int64_t i = 0; i < steps.elements(); ++i) steps.f32()[i] = 0.01f + 0.001f * static_cast<float>(i);
  const QTensor q = served_weight(*layer.weight.trained());
  for (int64_t i = 0; i < steps.elements(); ++i) {
    EXPECT_EQ(q.scales.f32()[i], bf16_to_float(float_to_bf16(steps.f32()[i])));
  }
}

// The counts against a loop over the numbers.
TEST(QuantizationAware, CountsWhatDoesNotFit) {
  Layer layer("W8A8_STATIC+lsq", random_numbers({40, 128}, 1), random_numbers({24, 128}, 2));
  Aware& aware = layer.aware();
  aware.range.average = {-1, 1};
  aware.input.f32()[0] = 0.5f / 127;
  for (int64_t i = 0; i < 24; ++i) aware.steps.f32()[i] = 0.7f / 127;
  layer.tape.counts_misfits = true;
  const Tensor y = linear(layer.ctx, layer.input, layer.weight);
  const auto expect = [](const kernels::Misfits& counts, const Tensor& x, float step) {
    int64_t overflow = 0, underflow = 0;
    for (int64_t i = 0; i < x.elements(); ++i) {
      const double code = std::nearbyint(double{x.f32()[i]} / double{step});
      overflow += code > 127 || code < -128 ? 1 : 0;
      underflow += code == 0 && x.f32()[i] != 0 ? 1 : 0;
    }
    EXPECT_GT(overflow, x.elements() / 8);
    EXPECT_GT(underflow, 0);
    EXPECT_EQ(counts.values, x.elements());
    EXPECT_EQ(counts.overflow, overflow);
    EXPECT_EQ(counts.underflow, underflow);
  };
  expect(layer.weight.trained()->x_misfits, layer.input, 0.5f / 127);
  expect(layer.weight.trained()->w_misfits, layer.weight.trained()->value, 0.7f / 127);
}

TEST(QuantizationAware, RefusesMethodsThatLearnNothing) {
  for (const char* name : {"qat:MXFP8+lsq", "qat:W8A8+pact", "qat:MXFP8A16+pact", "qat:W8A8+adam", "qat:UNQUANTIZED",
                           "qat:W9A9+lsq", "qat:", "qat:W8A8+"}) {
    EXPECT_THROW(precision_named(name), UsageError) << name;
  }
  EXPECT_EQ(precision_named("qat:FP8+pact").method, AwareMethod::pact);
  EXPECT_EQ(precision_named("qat:w8a16+lsq").method, AwareMethod::lsq);
}

}  // namespace
}  // namespace octet::train
