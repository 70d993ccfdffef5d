// Classifiers against PyTorch and Transformers (tests/golden/classifiers/make_classifier_goldens.py).
#include "models/classifier.h"

#include <gtest/gtest.h>

#include "base/errors_for_tests.h"
#include "base/json.h"
#include "files/checkpoint.h"
#include "ops/loss.h"
#include "ops/tape.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"lstm_gelu", "lstm_tanh_mean", "lstm_relu", "bert", "bert_relu"};

fs::path directory_of(const std::string& name) {
  return fs::path(OCTET_GOLDEN_DIR) / "classifiers" / name;
}

Tensor tensor_of(const SafetensorsFile& file, const std::string& name) {
  for (const TensorInfo& info : file.tensors()) {
    if (info.name == name) return file.view(info);
  }
  ADD_FAILURE() << name << " is not there";
  return {};
}

// |got - wanted| <= bound · max |wanted|; the gradient of a key's bias is 0 but for rounding.
void expect_near(const Tensor& got, const Tensor& wanted, double bound, const std::string& what) {
  ASSERT_FALSE(got.empty()) << what;
  ASSERT_EQ(got.elements(), wanted.elements()) << what;
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < wanted.elements(); ++i) {
    largest = std::max(largest, std::abs(double{wanted.f32()[i]}));
    difference = std::max(difference, std::abs(double{got.f32()[i]} - wanted.f32()[i]));
  }
  EXPECT_LE(difference, bound * std::max(largest, 1e-2)) << what;
}

/// A golden classifier on a tape of its own, and its texts.
class Golden {
 public:
  explicit Golden(const std::string& name, int threads = 2)
      : file(directory_of(name) / "golden.safetensors"), threads_(threads), ctx(threads_) {
    const Checkpoint checkpoint = Checkpoint::open(directory_of(name));
    TrainableParts parts;
    parts.values = [&](const std::string& tensor, const Shape& shape) {
      const Tensor stored = checkpoint.tensor(tensor);
      EXPECT_EQ(stored.shape(), shape) << tensor;
      Tensor copy(shape);
      std::memcpy(copy.raw(), stored.raw(), static_cast<size_t>(stored.bytes()));
      return copy;
    };
    parts.recipe = [](const std::string&) { return LinearRecipe(); };
    ctx.tape = &tape;
    config = parse_json(checkpoint.config_text(), name);
    model = make_classifier(config, name, tape, parts);
    EXPECT_EQ(model->trainable.parameters.size(), checkpoint.names().size());
    for (int i = 0; i < 4; ++i) ids_.push_back(tensor_of(file, fmt::format("ids.{}", i)));
    for (const Tensor& ids : ids_) texts.push_back({ids.data<int32_t>(), static_cast<size_t>(ids.elements())});
    const Tensor stored = tensor_of(file, "labels");
    labels.assign(stored.data<int32_t>(), stored.data<int32_t>() + stored.elements());
  }
  Tensor loss(const Tensor& logits) {
    if (logits.size(1) > 1) return cross_entropy(ctx, logits, labels);
    return binary_cross_entropy(ctx, logits, std::vector<float>(labels.begin(), labels.end()));
  }

  SafetensorsFile file;
  Threads threads_;
  Tape tape;
  Context ctx;
  Json config;
  std::unique_ptr<Classifier> model;
  std::vector<Tokens> texts;
  std::vector<int32_t> labels;

 private:
  std::vector<Tensor> ids_;
};

TEST(Classifiers, HaveTheLogitsAndGradientsOfPyTorch) {
  for (const char* name : kNames) {
    SCOPED_TRACE(name);
    Golden golden(name);
    Tensor logits = golden.model->logits(golden.ctx, golden.texts);
    expect_near(logits, tensor_of(golden.file, "logits"), 1e-5, "logits");
    const Tensor loss = golden.loss(logits);
    EXPECT_NEAR(loss.f32()[0], tensor_of(golden.file, "loss").data<double>()[0], 2e-6);
    logits = Tensor();
    golden.tape.backward(golden.ctx, loss);
    for (const Parameter& p : golden.model->trainable.parameters) {
      expect_near(golden.tape.gradient(p.value), tensor_of(golden.file, "d." + p.name), 2e-5, p.name);
    }
  }
}

TEST(Classifiers, AnswerATextWhateverElseIsInTheBatchAndForAnyNumberOfThreads) {
  for (const char* name : kNames) {
    Golden golden(name), three(name, 3);
    golden.tape.set_recording(false);
    three.tape.set_recording(false);
    const Tensor all = golden.model->logits(golden.ctx, golden.texts);
    const int64_t n = all.size(1);
    for (size_t i = 0; i < golden.texts.size(); ++i) {
      const Tensor alone = three.model->logits(three.ctx, {&golden.texts[i], 1});
      for (int64_t j = 0; j < n; ++j) EXPECT_EQ(alone.f32()[j], all.f32()[static_cast<int64_t>(i) * n + j]) << name;
    }
  }
}

TEST(Classifiers, PredictTheLargestOrBySign) {
  Tensor three({2, 3}), one({3, 1});
  const float x[] = {1, 3, 2, -1, -2, -3}, y[] = {-0.1f, 0, 0.1f};
  std::copy(x, x + 6, three.f32());
  std::copy(y, y + 3, one.f32());
  EXPECT_EQ(predicted_classes(three), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(predicted_classes(one), (std::vector<int32_t>{0, 0, 1}));
}

TEST(Classifiers, RefuseTextsThatCannotBeAndConfigsThatSayNonsense) {
  Golden golden("bert");
  const auto logits = [&](std::vector<int32_t> ids) {
    const Tokens text(ids);
    golden.model->logits(golden.ctx, {&text, 1});
  };
  expect_error([&] { logits({}); }, {"without tokens"});
  expect_error([&] { logits(std::vector<int32_t>(17, 1)); }, {"17 tokens", "16 positions"});
  expect_error([&] { logits({40}); }, {"40", "embedding"});
  const auto read = [&](const char* key, const Json& value, const char* of = "bert") {
    Json config = Golden(of).config;
    config[key] = value;
    classifier_shapes(config, "config.json");
  };
  expect_error([&] { read("num_attention_heads", 3); }, {"hidden_size 16", "3"});
  expect_error([&] { read("hidden_act", "swiglu"); }, {"swiglu", "gelu"});
  expect_error([&] { read("position_embedding_type", "relative_key"); }, {"relative_key"});
  expect_error([&] { read("id2label", {{"0", "a"}, {"2", "b"}}); }, {"id2label", "class 1"});
  expect_error([&] { read("id2label", {{"0", "a"}}); }, {"1 class"});
  expect_error([&] { read("num_labels", 7); }, {"num_labels is 7", "3 names"});
  expect_error([&] { read("pad_token_id", 40); }, {"pad_token_id 40"});
  expect_error([&] { read("pooling", "max", "lstm_gelu"); }, {"pooling", "last or mean"});
  expect_error([&] { read("hidden_act", "swiglu", "lstm_gelu"); }, {"swiglu", "gelu"});
  expect_error([&] { read("hidden_size", 0, "lstm_gelu"); }, {"hidden_size is 0"});
  expect_error([&] { read("architectures", {"GPT2"}); }, {"classifier"});
}

}  // namespace
}  // namespace octet
