// A few steps of AdamW beside PyTorch's (tests/golden/classifiers/make_classifier_goldens.py), and whole runs.
#include "train/text_classifier.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/errors_for_tests.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "files/checkpoint.h"
#include "numeric/random.h"
#include "train/initial_weights.h"
#include "train/recipe/recipe.h"
#include "train/run.h"
#include "train/trainer.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

std::string contents_of(const fs::path& file) {
  const MappedFile mapped(file);
  return {reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()};
}

void write(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

fs::path golden_directory(const std::string& name) {
  return fs::path(OCTET_GOLDEN_DIR) / "classifiers" / name;
}

Tensor tensor_of(const SafetensorsFile& file, const std::string& name) {
  for (const TensorInfo& info : file.tensors()) {
    if (info.name == name) return file.view(info);
  }
  ADD_FAILURE() << name << " is not there";
  return {};
}

Batch golden_batch(const SafetensorsFile& file) {
  Batch batch;
  for (int i = 0; i < 4; ++i) {
    const Tensor ids = tensor_of(file, fmt::format("ids.{}", i));  // points into the file
    batch.inputs.emplace_back(ids.data<int32_t>(), static_cast<size_t>(ids.elements()));
  }
  const Tensor labels = tensor_of(file, "labels");
  batch.targets.assign(labels.data<int32_t>(), labels.data<int32_t>() + labels.elements());
  return batch;
}

TEST(TextClassifiers, TrainAsPyTorchTrainsThem) {
  for (const char* name : {"lstm_gelu", "lstm_tanh_mean", "lstm_relu", "bert", "bert_relu"}) {
    SCOPED_TRACE(name);
    const SafetensorsFile golden(golden_directory(name) / "golden.safetensors");
    TrainableParts parts = parts_from(golden_directory(name));
    parts.recipe = [](const std::string&) { return LinearRecipe(); };
    const Json config = read_json(golden_directory(name) / "config.json");
    TrainerOptions options;
    options.weight_decay = 0.1;
    Trainer trainer(
        [&](Tape& tape) { return std::make_unique<TextClassifier>(make_classifier(config, name, tape, parts)); },
        options, two_threads());
    const Batch batch = golden_batch(golden);
    const Tensor losses = tensor_of(golden, "losses");
    for (int64_t i = 0; i < losses.elements(); ++i) {
      EXPECT_NEAR(trainer.step({&batch, 1}, 1e-2).loss, losses.data<double>()[i], 2e-5) << "step " << i + 1;
    }
    for (const Parameter& p : trainer.model().parameters) {
      const Tensor wanted = tensor_of(golden, "w." + p.name);
      for (int64_t i = 0; i < wanted.elements(); ++i)
        // The gradient of a key's bias is 0 but for rounding, which Adam makes a whole step of.
        ASSERT_NEAR(p.value.f32()[i], wanted.f32()[i], p.name.ends_with("key.bias") ? 0.1 : 2e-4) << p.name;
    }
  }
}

/// A folder with labelled sentences that can be learned: what is good and what is bad, unless it is not.
class Classifying : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              fmt::format("octet_classifying_{}", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write(folder_ / "train.tsv", table(1, 400));
    write(folder_ / "validation.tsv", table(2, 100));
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string table(uint32_t number, int64_t rows) {
    constexpr const char* kThings[] = {"the food", "this room", "a film", "the staff", "their music"};
    constexpr const char* kWords[] = {"awful", "dull", "poor", "great", "fine", "lovely"};
    const RandomStream random(5, 0, number);
    std::string text = "sentence\tlabel\n";
    for (int64_t i = 0; i < rows; ++i) {
      const auto words = random.block(static_cast<uint64_t>(i));
      const bool turned = words[2] % 2 == 1;
      const auto word = words[1] % 6;
      text += fmt::format("{} was {}{} !\t{}\n", kThings[words[0] % 5], turned ? "not " : "", kWords[word],
                          (word >= 3) != turned ? "good" : "bad");
    }
    return text;
  }

  static constexpr const char* kLstm = "{model_type: octet_lstm_classifier, embedding_size: 24, hidden_size: 20}";
  std::string recipe(const std::string& output, const std::string& more = "precision: fp32\nsteps: 60\n",
                     const std::string& model = kLstm, const std::string& data = "") const {
    return "output: " + output + "\nmodel: " + model +
           "\ndata: {train: train.tsv, validation: validation.tsv, label_names: [bad, good], max_length: 12" + data +
           "}\nbatch_size: 16\noptimizer: {learning_rate: 1e-2}\nvalidate_every: 30\ncheckpoint_every: 5\n" + more;
  }
  TrainConfig parsed(const std::string& text) const { return parse_train_config(text, folder_ / "recipe.yaml"); }
  RunResult train(const std::string& text, bool resume = false) const {
    return run_training(parsed(text), resume, two_threads(), {});
  }
  void refuses(const std::string& text, std::initializer_list<std::string_view> parts) {
    expect_error([&] { train(text); }, parts);
  }

  fs::path folder_;
};

TEST_F(Classifying, LstmsLearnInEveryPrecision) {
  for (const Recipe& recipe : recipes()) {
    const std::string name(recipe.name);
    const RunResult result = train(this->recipe(name, "precision: " + name + "\nsteps: 120\n"));
    EXPECT_GE(result.validation_accuracy, 0.95) << name;
    EXPECT_LT(result.validation_loss, 0.3) << name;
  }
}

TEST_F(Classifying, EncodersLearnAndGoOn) {
  const std::string model =
      "{architecture: BertForSequenceClassification, hidden_size: 32, num_hidden_layers: 2, "
      "num_attention_heads: 2, intermediate_size: 48}";
  const RunResult first = train(recipe("first", "precision: fp32\nsteps: 120\n", model));
  EXPECT_GE(first.validation_accuracy, 0.65);  // more than the half that is guessed
  std::string text = recipe("second", "precision: bf16\nsteps: 3\nfrom: first/model\n", "X");
  text.erase(text.find("model: X"), 9);
  text.replace(text.find("1e-2"), 4, "1e-5");
  EXPECT_NEAR(train(text).validation_loss, first.validation_loss, 0.05);
}

TEST_F(Classifying, GoesOnAsIfItHadNotBeenKilled) {
  struct Killed {};
  for (const char* more : {"precision: fp8_delayed\nsteps: 12\n", "precision: int8\nsteps: 12\naccumulate: 2\n"}) {
    train(recipe("whole", more));
    TrainConfig killed = parsed(recipe("killed", more));
    killed.log_every = 1;
    RunHooks hooks;
    hooks.progress = [](const RunProgress& p) {
      if (p.step == 8) throw Killed{};
    };
    Threads three(3);
    EXPECT_THROW(run_training(killed, false, three, hooks), Killed);
    train(recipe("killed", more), true);
    EXPECT_EQ(contents_of(folder_ / "whole/checkpoint.safetensors"),
              contents_of(folder_ / "killed/checkpoint.safetensors"));
    fs::remove_all(folder_ / "whole");
    fs::remove_all(folder_ / "killed");
  }
}

TEST_F(Classifying, CleansPadsAndCutsAsTheRecipeSays) {
  const std::string options =
      ", lower_case: true, strip_punctuation: true, stop_words: english, more_stop_words: [film], "
      "vocabulary_size: 12, padding_side: left";
  const RunResult result = train(recipe("out", "precision: fp32\nsteps: 5\n", kLstm, options));
  const Json config = read_json(result.directory / "config.json");
  EXPECT_EQ(config["padding_side"], "left");
  EXPECT_EQ(config["vocab_size"], 12);
  EXPECT_EQ(config["id2label"]["1"], "good");
  const Tokenizer tokenizer = Tokenizer::load(result.directory);
  const auto ids = tokenizer.encode("The FOOD! was not lovely, film");
  std::vector<std::string> words;
  for (const int32_t id : ids) words.push_back(tokenizer.token_of(id));
  EXPECT_EQ(words, (std::vector<std::string>{"food", "not", "lovely"}));
}

TEST_F(Classifying, RefusesWhatCannotBe) {
  const auto with = [&](const std::string& table, std::initializer_list<std::string_view> parts) {
    write(folder_ / "train.tsv", table);
    refuses(recipe("out"), parts);
  };
  with("a b\tgood\nc\tugly\n", {"train.tsv:2", "ugly", "bad, good"});
  with("a b\t1\nc\t2\n", {"train.tsv:2", "label 2", "0 to 1"});
  with("a b\n", {"train.tsv:1", "one column"});
  with("a b\tgood\n \tbad\n", {"train.tsv:2", "empty"});
  with("a b\tgood\nc\n", {"train.tsv:2", "1 columns"});
  write(folder_ / "train.tsv", "a b c d e f g h i j k l m n\tgood\n");
  const std::string more = "precision: fp32\nsteps: 5\n";
  refuses(recipe("out", more, kLstm, ", truncate: false"), {"train.tsv:1", "14 tokens", "12"});
  refuses(recipe("out", more, "{model_type: octet_lstm_classifier, hidden_size: 8, max_position_embeddings: 6}"),
          {"max_length 12", "6 positions"});
  refuses(recipe("out", more, kLstm, ", classes: 3"), {"classes is 3", "contradict"});
  refuses(recipe("out", more, kLstm, ", sequence_length: 9"), {"sequence_length", "language models"});
  refuses(recipe("out", more, kLstm, ", stop_words: klingon"), {"klingon", "chinese"});
  refuses(recipe("out", more + "tokenizer: words\n", kLstm, ", lower_case: true"), {"lower_case", "tokenizer"});
  refuses(recipe("out", "precision: qat:W8A8\nsteps: 3\n"), {"qat:W8A8", "classifiers"});
  refuses(recipe("out", more + "recompute: true\n"), {"recompute"});
  refuses(recipe("out", more, "{hidden_size: 8, intermediate_size: 8}") + "tokenizer: words\n", {"label_names"});
}

}  // namespace
}  // namespace octet::train
