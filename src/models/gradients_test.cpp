// Gradients of operations and of whole decoders are PyTorch's (tests/golden/ops/make_ops_goldens.py). Transformers
// computes the angles of rope in F32, Octet in F64: that is most of the bound of whole decoders.
#include <gtest/gtest.h>

#include "base/json.h"
#include "files/checkpoint.h"
#include "models/trainable.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/loss.h"
#include "ops/lstm.h"
#include "ops/tape.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
const fs::path kGoldens = fs::path(OCTET_GOLDEN_DIR) / "ops";

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

/// Tensors of one .safetensors file by name.
class Goldens {
 public:
  explicit Goldens(const fs::path& path) : file_(path) {}
  bool has(const std::string& name) const { return find(name) != nullptr; }
  Tensor operator[](const std::string& name) const {
    const TensorInfo* info = find(name);
    if (!info) ADD_FAILURE() << name << " is not there";
    return info ? file_.view(*info) : Tensor();
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

// |got - wanted| <= bound · max |wanted|.
void expect_near(const Tensor& got, const Tensor& wanted, double bound, const std::string& what) {
  ASSERT_FALSE(got.empty()) << what;
  ASSERT_EQ(got.elements(), wanted.elements()) << what;
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < wanted.elements(); ++i) {
    largest = std::max(largest, std::abs(double{wanted.f32()[i]}));
    difference = std::max(difference, std::abs(double{got.f32()[i]} - wanted.f32()[i]));
  }
  EXPECT_LE(difference, bound * largest) << what;
}

Tensor copy_of(const Tensor& x) {
  Tensor copy(x.shape());
  std::memcpy(copy.raw(), x.raw(), static_cast<size_t>(x.bytes()));
  return copy;
}

using Function = std::function<Tensor(Context&, const std::vector<Tensor>&)>;

void check(const Goldens& goldens, const std::string& name, const Function& f) {
  Tape tape;
  Context ctx(two_threads());
  ctx.tape = &tape;
  std::vector<Tensor> inputs;
  for (int i = 0; goldens.has(fmt::format("{}.in{}", name, i)); ++i) {
    inputs.push_back(tape.parameter(copy_of(goldens[fmt::format("{}.in{}", name, i)])));
  }
  ASSERT_FALSE(inputs.empty()) << name;
  Tensor y = f(ctx, inputs);
  expect_near(y, goldens[name + ".y"], 2e-6, name);
  tape.add_gradient(ctx, y, copy_of(goldens[name + ".dy"]));
  y = Tensor();
  tape.run_back_to(ctx, inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    expect_near(tape.gradient(inputs[i]), goldens[fmt::format("{}.d{}", name, i)], 3e-6,
                fmt::format("{}, operand {}", name, i));
  }
}

TEST(PyTorchGradients, OfOperations) {
  const Goldens goldens(kGoldens / "ops.safetensors");
  const LinearRecipe recipe;
  check(goldens, "rms_norm", [](Context& c, const auto& in) { return rms_norm(c, in[0], {in[1], 1e-5f}); });
  check(goldens, "layer_norm", [](Context& c, const auto& in) { return layer_norm(c, in[0], {in[1], in[2], 1e-5f}); });
  check(goldens, "linear",
        [&](Context& c, const auto& in) { return linear(c, in[0], Weight("w", in[1], in[2], recipe, 0)); });
  for (const char* name : {"relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid"}) {
    check(goldens, name, [&](Context& c, const auto& in) { return activate(c, in[0], activation_named(name)); });
  }
  check(goldens, "swiglu", [](Context& c, const auto& in) { return silu_multiply(c, in[0], in[1]); });
  const auto attend = [](const WholeAttention& a) {
    return [a](Context& c, const std::vector<Tensor>& in) {
      return attention(c, in[0], in[1], in[2], a, std::vector<Sequence>{{0, in[0].size(0)}});
    };
  };
  check(goldens, "attention", attend({4, 2, 16, 0, 0.25f}));
  check(goldens, "attention_window", attend({2, 1, 12, 20, 1 / std::sqrt(12.0f)}));
  check(goldens, "attention_all", attend({2, 2, 16, 0, 0.25f, false}));
  const std::vector<int32_t> targets = {3, kIgnored, 0, 8, 8};
  check(goldens, "cross_entropy", [&](Context& c, const auto& in) { return cross_entropy(c, in[0], targets); });
  const std::vector<float> labels = {0, 1, 1, 0.25f};
  check(goldens, "binary_cross_entropy",
        [&](Context& c, const auto& in) { return binary_cross_entropy(c, in[0], labels); });
  check(goldens, "mean_squared_error",
        [&](Context& c, const auto& in) { return mean_squared_error(c, in[0], labels); });
  check(goldens, "kl", [&](Context& c, const auto& in) { return kl_divergence(c, in[0], goldens["kl.teacher"], 2); });
  check(goldens, "lstm", [&](Context& c, const auto& in) {
    const Tensor x = in[0].reshaped({27, 20});
    return lstm(c, x, std::vector<int64_t>{9, 9, 9},
                {Weight("w", in[1], in[3], recipe, 0), Weight("h", in[2], in[4], recipe, 1)});
  });
}

struct Trained {
  Tape tape;
  TrainableDecoder model;
};

std::unique_ptr<Trained> load(const std::string& name, const LinearRecipe& recipe = {}) {
  const Checkpoint checkpoint = Checkpoint::open(fs::path(OCTET_GOLDEN_DIR) / "models" / name);
  const DecoderConfig config = read_decoder_config(parse_json(checkpoint.config_text(), name), name);
  auto trained = std::make_unique<Trained>();
  trained->model = make_trainable(
      config, trained->tape,
      {[&](const std::string& tensor, const Shape&) { return copy_of(to_f32(checkpoint.tensor(tensor))); },
       [&](const std::string&) { return recipe; }});
  return trained;
}

float run(Trained& trained, Threads& threads, const Tensor& ids, const Tensor& targets) {
  Context ctx(threads);
  ctx.tape = &trained.tape;
  std::vector<Input> batch;
  const int64_t length = ids.size(1);
  for (int64_t i = 0; i < ids.size(0); ++i)
    batch.push_back({{ids.data<int32_t>() + i * length, static_cast<size_t>(length)}, nullptr});
  const Tensor hidden = trained.model.decoder.forward(ctx, batch);
  const Tensor loss = cross_entropy(ctx, trained.model.decoder.logits(ctx, hidden),
                                    {targets.data<int32_t>(), static_cast<size_t>(targets.elements())});
  trained.tape.backward(ctx, loss);
  return loss.f32()[0];
}

TEST(PyTorchGradients, OfWholeDecoders) {
  for (const char* name : {"llama3_tied", "qwen3", "mistral_window", "biases"}) {
    SCOPED_TRACE(name);
    const Goldens goldens(kGoldens / fmt::format("model_{}.safetensors", name));
    for (const bool recompute : {false, true}) {
      auto trained = load(name);
      trained->model.decoder.recompute = recompute;
      EXPECT_NEAR(run(*trained, two_threads(), goldens["ids"], goldens["targets"]), goldens["loss"].data<double>()[0],
                  2e-6);
      for (const Parameter& p : trained->model.parameters) {
        expect_near(trained->tape.gradient(p.value), goldens["d." + p.name], 1e-4, p.name);
      }
    }
  }
}

TEST(Trainable, HasTheSameGradientsForAnyNumberOfThreads) {
  Threads one(1), three(3);
  const Goldens goldens(kGoldens / "model_qwen3.safetensors");
  auto a = load("qwen3"), b = load("qwen3");
  EXPECT_EQ(run(*a, one, goldens["ids"], goldens["targets"]), run(*b, three, goldens["ids"], goldens["targets"]));
  for (size_t i = 0; i < a->model.parameters.size(); ++i) {
    const Tensor x = a->tape.gradient(a->model.parameters[i].value), y = b->tape.gradient(b->model.parameters[i].value);
    EXPECT_EQ(0, std::memcmp(x.raw(), y.raw(), static_cast<size_t>(x.bytes()))) << a->model.parameters[i].name;
  }
}

TEST(Trainable, NamesItsTensorsAsTheCheckpointDoes) {
  for (const char* name : {"llama3_tied", "qwen3", "biases", "llama2"}) {
    const Checkpoint checkpoint = Checkpoint::open(fs::path(OCTET_GOLDEN_DIR) / "models" / name);
    const DecoderConfig config = read_decoder_config(parse_json(checkpoint.config_text(), name), name);
    const auto shapes = trainable_shapes(config);
    EXPECT_EQ(shapes.size(), checkpoint.names().size());
    for (const auto& [tensor, shape] : shapes) EXPECT_EQ(checkpoint.info(tensor).shape, shape) << tensor;
  }
}

}  // namespace
}  // namespace octet
