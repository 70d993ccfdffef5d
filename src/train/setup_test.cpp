#include "train/setup.h"

#include "base/errors_for_tests.h"
#include "base/json.h"
#include "text/train_bpe.h"
#include "train/run.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSmall =
    "model: {hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2}\n";

/// A folder with texts, two tokenizers of one size, and a model of the first one.
class Setups : public testing::Test {
 protected:
  void SetUp() override {
    std::string text, other;
    for (int i = 0; i < 200; ++i) text += fmt::format("the cat saw {} red balls. ", i);
    for (int i = 0; i < 200; ++i) other += fmt::format("quick foxes jump over {} lazy dogs. ", i);
    write_bytes(folder_ / "train.txt", text);
    write_bytes(folder_ / "short.txt", "cat");
    write_bytes(folder_ / "train.tsv", "id\ttext\tlabel\n1\tgood one\t1\n2\tbad one\t0\n");
    write_tokenizer("tokenizer", text);
    write_tokenizer("other", other);
  }
  void write_tokenizer(const std::string& name, std::string_view text) {
    BpeOptions options;
    options.vocabulary_size = 280;
    fs::create_directories(folder_ / name);
    write_bytes(folder_ / name / "tokenizer.json", tokenizer_json(train_bpe({&text, 1}, options, threads_)));
  }
  TrainConfig config(const std::string& model, const std::string& more = "", const std::string& tokenizer = "tokenizer",
                     const std::string& data = "train: train.txt, sequence_length: 16") {
    return parse_train_config(
        "output: out\ntokenizer: " + tokenizer + "\nsteps: 1\ndata: {" + data + "}\n" + model + more,
        folder_ / "recipe.yaml");
  }
  TrainConfig labelled(const std::string& data, const std::string& model = "") {
    return parse_train_config("output: out\nsteps: 1\ndata: {train: train.tsv, classes: 2" + data +
                                  "}\nmodel: {model_type: octet_lstm_classifier, hidden_size: 8" + model + "}\n",
                              folder_ / "recipe.yaml");
  }
  train::Setup set_up_of(const TrainConfig& c) { return set_up(c, precision_named(c.precision), threads_); }
  void refuses(const TrainConfig& c, std::initializer_list<std::string_view> parts) {
    expect_error(
        [&] {
          const auto setup = set_up_of(c);
          Tape tape;
          setup.learner(tape);
        },
        parts);
  }
  /// Its model.safetensors is in F32.
  fs::path trained() { return run_training(config(kSmall), false, threads_, {}).directory; }

  TemporaryDirectory folder_;
  Threads threads_{2};
};

TEST_F(Setups, RefuseAModelOfOtherTokens) {
  const std::string model = trained().string();
  refuses(config("from: " + model + "\n", "", "other"), {"tokenizer.json: token ", "recipe's tokenizer"});
  refuses(config(kSmall, "distillation: {teacher: " + model + "}\n", "other"), {"tokenizer.json: token "});
  EXPECT_NO_THROW(set_up_of(config("from: " + model + "\n", "distillation: {teacher: " + model + "}\n")));
  fs::remove(fs::path(model) / "tokenizer.json");
  EXPECT_NO_THROW(set_up_of(config("from: " + model + "\n", "", "other"))) << "there is nothing to compare";
}

TEST_F(Setups, RefuseNumbersThatAreNone) {
  const fs::path model = trained();
  const fs::path file = model / "model.safetensors";
  std::string bytes = read_bytes(file);
  const float infinite = -std::numeric_limits<float>::infinity();
  std::memcpy(bytes.data() + bytes.size() - 4, &infinite, 4);
  write_bytes(file, bytes);
  const auto parts = {std::string_view("model.safetensors"), std::string_view("tensor "),
                      std::string_view(": 1 of its "), std::string_view("NaN or infinite")};
  refuses(config("from: " + model.string() + "\n"), parts);
  refuses(config(kSmall, "distillation: {teacher: " + model.string() + "}\n"), parts);
}

TEST_F(Setups, NewModelsHaveAsManyHeadsOfKeysAsOfQueries) {
  for (const char* architecture : {"MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"}) {
    std::string model = kSmall;
    model.insert(model.find('{') + 1, fmt::format("architecture: {}, ", architecture));
    const auto setup = set_up_of(config(model));
    EXPECT_EQ(parse_json(setup.config_json, "x")["num_key_value_heads"], 2) << architecture;
  }
  std::string model = kSmall;
  model.insert(model.find('{') + 1, "num_key_value_heads: 1, ");
  EXPECT_EQ(parse_json(set_up_of(config(model)).config_json, "x")["num_key_value_heads"], 1);
}

TEST_F(Setups, RefuseKeysAndTokensThatAModelHasNot) {
  std::string model = kSmall;
  model.insert(model.find('{') + 1, "hiden_act: silu, ");
  refuses(config(model), {"recipe.yaml: model: ", "hiden_act", "did you mean hidden_act?"});
  model = kSmall;
  model.insert(model.find('{') + 1, "bos_token_id: 5000, ");
  refuses(config(model), {"recipe.yaml: model: bos_token_id is 5000", "0 to 279"});
  refuses(labelled("", ", poling: mean"), {"recipe.yaml: model: ", "did you mean pooling?"});
}

TEST_F(Setups, RefuseTextsThatAreTooShort) {
  refuses(config(kSmall, "", "tokenizer", "train: train.txt, validation: short.txt, sequence_length: 16"),
          {"recipe.yaml: data: validation (", "short.txt): the data has ", "16"});
  refuses(config(kSmall, "", "tokenizer", "train: short.txt, sequence_length: 16"), {"data: train (", "short.txt"});
}

TEST_F(Setups, RefuseTablesWithoutTheNamedColumns) {
  refuses(labelled(", text_field: txt"), {"train.tsv: there is no column \"txt\"; the columns are id, text, label"});
  refuses(labelled(", label_field: lable"), {"no column \"lable\""});
  EXPECT_NO_THROW(set_up_of(labelled(", text_field: text")));
}

TEST_F(Setups, RefuseAVocabularyOfNoWord) {
  refuses(labelled(", min_frequency: 100"), {"recipe.yaml: data: no word", "100 times", "min_frequency"});
}

TEST_F(Setups, RefuseAnOutputThatCannotBeMade) {
  TrainConfig c = labelled("");
  c.output = "/dev/null";
  refuses(c, {"/dev/null/tokenizer: cannot be made: "});
}

}  // namespace
}  // namespace octet::train
