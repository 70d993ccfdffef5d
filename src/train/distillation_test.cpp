// What PyTorch computes of a student with a teacher: tests/golden/make_distillation_goldens.py.
#include "train/distillation.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "files/checkpoint.h"
#include "files/safetensors.h"
#include "ops/loss.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

Tensor copy_of(const Tensor& x) {
  Tensor copy(x.shape());
  std::memcpy(copy.raw(), x.raw(), static_cast<size_t>(x.bytes()));
  return copy;
}

/// A checkpoint of the goldens, as a model that computes in F32.
struct Source {
  explicit Source(const std::string& name)
      : checkpoint(Checkpoint::open(fs::path(OCTET_GOLDEN_DIR) / "models" / name)),
        config(read_decoder_config(parse_json(checkpoint.config_text(), name), name)) {
    parts.values = [this](const std::string& tensor, const Shape&) {
      return copy_of(to_f32(checkpoint.tensor(tensor)));
    };
    parts.recipe = [](const std::string&) { return LinearRecipe(); };
  }
  Checkpoint checkpoint;
  DecoderConfig config;
  TrainableParts parts;
};

// |got - wanted| <= bound · max |wanted|.
void expect_near(const Tensor& got, const Tensor& wanted, double bound, const std::string& what) {
  ASSERT_FALSE(got.empty()) << what;
  ASSERT_EQ(got.shape(), wanted.shape()) << what;
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < wanted.elements(); ++i) {
    largest = std::max(largest, std::abs(double{wanted.f32()[i]}));
    difference = std::max(difference, std::abs(double{got.f32()[i]} - wanted.f32()[i]));
  }
  EXPECT_LE(difference, bound * largest) << what;
}

Batch batch_of(const Tensor& ids, const Tensor& targets) {
  Batch batch;
  const auto length = static_cast<size_t>(ids.size(1));
  for (int64_t row = 0; row < ids.size(0); ++row) {
    batch.inputs.emplace_back(ids.data<int32_t>() + row * ids.size(1), length);
  }
  batch.targets.assign(targets.data<int32_t>(), targets.data<int32_t>() + targets.elements());
  return batch;
}

struct Student {
  Student(Source& source, bool recompute) : model(make_trainable(source.config, tape, source.parts)) {
    ctx.tape = &tape;
    model.decoder.recompute = recompute;
  }
  float learn(const Distiller& distiller, const Batch& batch) {
    std::vector<Input> inputs;
    for (const auto& row : batch.inputs) inputs.push_back({row, nullptr});
    LayerOutputs layers = distiller.wanted();
    const Tensor logits = model.decoder.logits(ctx, model.decoder.forward(ctx, inputs, &layers));
    const Tensor loss = distiller.loss(ctx, batch, cross_entropy(ctx, logits, batch.targets), logits, layers);
    const float value = loss.f32()[0];
    layers.clear();
    tape.backward(ctx, loss);
    return value;
  }
  Tape tape;
  Context ctx{two_threads()};
  TrainableDecoder model;
};

class Distilling : public testing::TestWithParam<bool> {};

TEST_P(Distilling, LossAndGradientsArePyTorchs) {
  const SafetensorsFile file(fs::path(OCTET_GOLDEN_DIR) / "train/distillation.safetensors");
  std::map<std::string, Tensor> goldens;
  for (const TensorInfo& info : file.tensors()) goldens[info.name] = file.view(info);
  Source source("head_dim"), learned("llama3_tied");
  Student student(source, GetParam());
  const auto teacher = std::make_shared<Teacher>(learned.config, learned.parts, two_threads());
  const Distiller distiller({teacher, 0.3, 2, 1.5, {{0, 0}, {1, 2}, {2, 1}}}, source.config.hidden, student.tape);
  ASSERT_EQ(distiller.projections().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const Tensor& golden = goldens.at(fmt::format("projection.{}", i));
    ASSERT_EQ(distiller.projections()[i].value.shape(), golden.shape());
    Tensor projection = distiller.projections()[i].value;  // shares the numbers
    std::memcpy(projection.raw(), golden.raw(), static_cast<size_t>(golden.bytes()));
  }
  const float loss = student.learn(distiller, batch_of(goldens.at("ids"), goldens.at("targets")));
  EXPECT_NEAR(loss, goldens.at("loss").f32()[0], 2e-6 * loss);
  for (const Parameter& p : student.model.parameters) {
    expect_near(student.tape.gradient(p.value), goldens.at("d." + p.name), 1e-4, p.name);
  }
  for (size_t i = 0; i < 3; ++i) {
    const Parameter& p = distiller.projections()[i];
    expect_near(student.tape.gradient(p.value), goldens.at(fmt::format("d.projection.{}", i)), 2e-5, p.name);
  }
}

INSTANTIATE_TEST_SUITE_P(Recomputed, Distilling, testing::Bool());

TEST(Distillation, NeedsNoProjectionBetweenEqualWidths) {
  Source source("llama3_tied");
  Student student(source, false);
  const auto teacher = std::make_shared<Teacher>(source.config, source.parts, two_threads());
  const Distiller distiller({teacher, 1, 1, 1, {{1, 1}, {2, 2}}}, source.config.hidden, student.tape);
  const std::vector<int32_t> ids = {4, 8, 15, 16, 23, 42};
  const Batch batch{{std::span(ids).first(5)}, {ids.begin() + 1, ids.end()}};
  EXPECT_NEAR(student.learn(distiller, batch), 0, 1e-6) << "a student that is its teacher has nothing to learn";
}

TEST(Distillation, PairsLayersThatAreAsFarOnTheirWay) {
  const auto numbers = [](int64_t student, int64_t teacher) {
    std::vector<int64_t> layers;
    for (const LayerPair& pair : even_pairs(student, teacher)) {
      layers.push_back(pair.teacher);
      EXPECT_EQ(pair.student, static_cast<int64_t>(layers.size()));
    }
    return layers;
  };
  EXPECT_EQ(numbers(3, 6), (std::vector<int64_t>{2, 4, 6}));
  EXPECT_EQ(numbers(4, 6), (std::vector<int64_t>{2, 3, 5, 6}));
  EXPECT_EQ(numbers(3, 2), (std::vector<int64_t>{1, 1, 2}));
}

}  // namespace
}  // namespace octet::train
