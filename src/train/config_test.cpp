#include "train/config.h"

#include "base/errors_for_tests.h"

namespace octet::train {
namespace {

constexpr const char* kLeast = "output: out\nmodel: {hidden_size: 8}\ndata: {train: a.txt}\n";

TrainConfig parse(const std::string& text) {
  return parse_train_config(text, "folder/recipe.yaml");
}

/// A recipe with these lines beside the least that it must say.
void refuses(const std::string& more, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(more);
  expect_error([&] { parse(kLeast + more); }, {"folder/recipe.yaml: "});
  expect_error([&] { parse(kLeast + more); }, parts);
}

/// A recipe with these fields of `data`.
void refuses_data(const std::string& fields, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(fields);
  const std::string text = "output: out\nmodel: {}\nsteps: 1\ndata: {train: a.tsv, " + fields + "}\n";
  expect_error([&] { parse(text); }, parts);
}

TEST(TrainConfig, RefusesWhatWouldBeReadAndNeverUsed) {
  refuses("steps: 1\nvalidate_every: 10\n", {"validate_every is 10", "data.validation names no file"});
  refuses("steps: 1\n---\nsteps: 2\n", {"second document"});
  refuses("steps: 1\nepochs: 2\n", {"either steps or epochs can be given, only one"});
  refuses("", {"either steps or epochs must be given"});
  refuses("steps: 1\nfrom: x\n", {"either model or from can be given, only one"});
  refuses_data("label_names: [pos, neg, pos]", {"data: label_names has \"pos\" twice"});
  expect_error([] { parse("output: ''\nmodel: {}\ndata: {train: a}\nsteps: 1\n"); }, {"output is empty"});
}

TEST(TrainConfig, KnowsWhichColumnsTheRecipeNames) {
  const auto data = [](const std::string& fields) {
    return parse("output: out\nmodel: {}\nsteps: 1\ndata: {train: a.tsv" + fields + "}\n").data;
  };
  EXPECT_FALSE(data("").text_field_given);
  EXPECT_FALSE(data("").label_field_given);
  EXPECT_TRUE(data(", text_field: text").text_field_given);
  EXPECT_TRUE(data(", label_field: score").label_field_given);
}

TEST(TrainConfig, SaysWhichNumbersCanBe) {
  refuses("epochs: 0\n", {"epochs is 0", "more than 0"});
  refuses("steps: 1\nschedule: {warmup: -0.5}\n", {"schedule: warmup is -0.5", "between 0 and 1"});
  refuses("steps: 1\nschedule: {warmup: 2}\n", {"warmup is 2", "between 0 and 1"});
  refuses("steps: 1\nschedule: {warmup_steps: 2}\n", {"schedule: warmup_steps is 2", "1 step"});
  refuses("steps: abc\n", {"steps is \"abc\"; it must be a whole number"});
  refuses("steps: 1.5\n", {"steps is 1.5; it must be a whole number"});
  refuses("steps: 1e30\n", {"it must be a whole number"});
  refuses("steps: 1\noptimizer: {learning_rate: .nan}\n", {"it must be a number"});
  refuses("steps: 1\nrecompute: 1\n", {"recompute is 1; it must be true or false"});
  refuses("steps: 1\nprecision: 8\n", {"precision is 8; it must be text"});
  refuses("steps: 1\noptimizer: {beta1: 2}\n", {"optimizer: beta1 is 2"});
  refuses("steps: 1\noptimizer: {epsilon: 0}\n", {"optimizer: epsilon is 0"});
  refuses("steps: 1\noptimizer: {name: sgd, nesterov: true}\n", {"optimizer: nesterov needs a momentum"});
  EXPECT_EQ(parse(std::string(kLeast) + "steps: 4\nschedule: {warmup: 0}\n").warmup, 0);
  EXPECT_EQ(parse(std::string(kLeast) + "steps: 4\n").warmup, -1);
}

TEST(TrainConfig, ListsEveryFieldOnce) {
  try {
    parse(std::string(kLeast) + "tokenizer: words\nsteps: 1\nstpes: 2\n");
    FAIL();
  } catch (const Error& e) {
    const std::string message = std::string(e.what()) + ",";
    for (const char* name : {" output,", " tokenizer,", " from,", " distillation,", " quantization,", " steps,"}) {
      const size_t at = message.find(name);
      EXPECT_NE(at, message.npos) << name;
      EXPECT_EQ(message.find(name, at + 1), message.npos) << name;
    }
  }
}

TEST(TrainConfig, AlgorithmsThatStandAloneSaySo) {
  const std::string recipe = "precision: qat:W8A8\nsteps: 1\nquantization: {algorithm: ";
  refuses(recipe + "default+rtn}\n", {"quantization: algorithm default+rtn: default stands alone"});
  refuses(recipe + "gptq+rtn}\n", {"rtn stands alone"});
  refuses(recipe + "best}\n", {"there is no algorithm \"best\""});
  EXPECT_EQ(parse(kLeast + recipe + "rtn}\n").algorithm, "rtn");
}

}  // namespace
}  // namespace octet::train
