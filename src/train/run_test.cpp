#include "train/run.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/memory.h"
#include "base/sanitized.h"
#include "compress/diff.h"
#include "eval/perplexity.h"
#include "numeric/random.h"
#include "run/model.h"
#include "text/train_bpe.h"
#include "train/recipe/recipe.h"

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

// Sentences that can be learned.
std::string story(uint32_t number, int64_t sentences) {
  constexpr const char* kWho[] = {"Lily", "Tom", "The cat", "A small bird", "The old man", "Ben"};
  constexpr const char* kDid[] = {"found", "liked", "saw", "wanted to hold", "lost", "painted"};
  constexpr const char* kWhat[] = {"a red ball",    "the big tree",    "a happy dog",
                                   "the blue boat", "some warm bread", "a tiny box"};
  const RandomStream random(7, 0, number);
  std::string text;
  for (int64_t i = 0; i < sentences; ++i) {
    const auto words = random.block(static_cast<uint64_t>(i));
    text += fmt::format("{} {} {}. ", kWho[words[0] % 6], kDid[words[1] % 6], kWhat[words[2] % 6]);
  }
  return text;
}

/// A folder with texts and a tokenizer; recipes are written into it.
class Training : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              fmt::format("octet_training_{}", testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "tokenizer");
    const std::string text = story(1, 3000);
    write(folder_ / "train.txt", text);
    write(folder_ / "validation.txt", story(2, 200));
    BpeOptions options;
    options.vocabulary_size = 300;
    const std::string_view view = text;
    write(folder_ / "tokenizer/tokenizer.json", tokenizer_json(train_bpe({&view, 1}, options, two_threads())));
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string recipe(const std::string& output, const std::string& more = "precision: fp32\nsteps: 12\n") const {
    return "output: " + output + R"(
tokenizer: tokenizer
model: {hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 2,
        max_position_embeddings: 64, tie_word_embeddings: true}
data: {train: train.txt, validation: validation.txt, sequence_length: 32}
batch_size: 4
optimizer: {learning_rate: 3e-3}
schedule: {warmup_steps: 3}
validate_every: 6
checkpoint_every: 5
)" + more;
  }
  TrainConfig config(const std::string& output, const std::string& more = "precision: fp32\nsteps: 12\n") const {
    return parse_train_config(recipe(output, more), folder_ / "recipe.yaml");
  }
  RunResult train(const TrainConfig& c, bool resume = false, Threads& threads = two_threads()) const {
    return run_training(c, resume, threads, {});
  }
  std::string message_of(const std::function<void()>& f) const {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "nothing was refused";
  }

  fs::path folder_;
};

TEST_F(Training, LearnsAndSavesAModelThatScoresAsItsValidation) {
  const RunResult result = train(config("out", "precision: fp32\nsteps: 60\n"));
  EXPECT_EQ(result.steps, 60);
  EXPECT_LT(result.validation_loss, 4.2);  // ln 300 = 5.7
  const Model model = load_model(result.directory, two_threads());
  Context ctx(two_threads());
  PerplexityOptions options;
  options.context = 33;
  const auto tokens = model.tokenizer.encode(contents_of(folder_ / "validation.txt"));
  EXPECT_NEAR(score(ctx, model, tokens, options).mean_nll, result.validation_loss,
              0.4);  // eval begins its runs with BOS
}

TEST_F(Training, GoesOnAsIfItHadNotBeenKilled) {
  struct Killed {};
  const std::string from_start = "steps: 12\nquantization: {from_start: true}\n";
  const std::string in_two_parts = "steps: 6\nquantization: {steps: 6}\n";  // killed at 8, saved at 5, in the second
  for (const std::string& more :
       {std::string("precision: fp8_delayed\nsteps: 12\n"),
        std::string("precision: int8\nsteps: 12\nrecompute: true\n"),
        "precision: qat:W8A8_STATIC\naccumulate: 2\n" + from_start,
        "precision: qat:W8A8_STATIC+lsq\nrecompute: true\n" + from_start,
        "precision: qat:W8A8_ASYM+pact\n" + from_start, "precision: qat:W8A8\n" + in_two_parts,
        std::string("precision: qat:W8A8_ASYM+lsq\nsteps: 4\nquantization: {steps: 8}\n"),  // saved in the second part
        std::string("precision: bf16\nsteps: 12\noptimizer: {state: int8}\n")}) {
    SCOPED_TRACE(more);
    std::string text = recipe("whole", more);
    if (text.find("state: int8") != std::string::npos) text.erase(text.find("optimizer: {learning_rate: 3e-3}\n"), 33);
    const TrainConfig whole = parse_train_config(text, folder_ / "a.yaml");
    TrainConfig killed = whole;
    killed.output = folder_ / "killed";
    killed.log_every = 1;
    train(whole);
    RunHooks hooks;
    hooks.progress = [](const RunProgress& p) {
      if (p.step == 8) throw Killed{};
    };
    Threads three(3);
    EXPECT_THROW(run_training(killed, false, three, hooks), Killed);
    train(killed, true);
    EXPECT_EQ(contents_of(whole.output / "checkpoint.safetensors"),
              contents_of(killed.output / "checkpoint.safetensors"));
    EXPECT_EQ(contents_of(whole.output / "model/model.safetensors"),
              contents_of(killed.output / "model/model.safetensors"));
    fs::remove_all(whole.output);
    fs::remove_all(killed.output);
  }
}

TEST_F(Training, EveryPrecisionLearns) {
  const double exact = train(config("exact", "precision: fp32\nsteps: 40\n")).validation_loss;
  for (const Recipe& recipe : recipes()) {
    const std::string name(recipe.name);
    const double loss = train(config(name, "precision: " + name + "\nsteps: 40\n")).validation_loss;
    EXPECT_NEAR(loss, exact, 0.03 * exact) << name;
    if (name != "fp32") {
      EXPECT_NE(loss, exact) << name;
    }
  }
}

TEST_F(Training, QuantizationAwareModelsAreSavedInTheirScheme) {
  for (const char* scheme : {"W8A8", "W8A8_STATIC", "W8A8_ASYM", "W8A16", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "MXFP8",
                             "W8A16+lsq", "FP8+lsq", "FP8_BLOCK+lsq", "W8A8_STATIC+pact"}) {
    const RunResult result = train(
        config(scheme, fmt::format("precision: qat:{}\nsteps: 30\nquantization: {{from_start: true}}\n", scheme)));
    const Model model = load_model(result.directory, two_threads());
    EXPECT_LT(model.decoder.weight_bytes, 130'000) << scheme;  // 102 k numbers, 83 k of them in a byte
    Context ctx(two_threads());
    PerplexityOptions options;
    options.context = 33;
    const auto tokens = model.tokenizer.encode(contents_of(folder_ / "validation.txt"));
    EXPECT_NEAR(score(ctx, model, tokens, options).mean_nll, result.validation_loss, 0.2) << scheme;
  }
}

TEST_F(Training, QuantizationAwareModelsAreFirstTrainedAsInBf16) {
  const RunResult plain = train(config("plain", "precision: bf16\nsteps: 12\n"));
  const RunResult aware = train(config("aware", "precision: qat:W8A8\nsteps: 12\nquantization: {steps: 20}\n"));
  EXPECT_EQ(contents_of(plain.directory / "model.safetensors"), contents_of(folder_ / "aware/float/model.safetensors"));
  EXPECT_EQ(aware.steps, 32);
  EXPECT_EQ(aware.loss, plain.loss);
  EXPECT_GT(aware.divergence, 0);
  EXPECT_LT(aware.divergence, 1e-3);
  const auto changed =
      diff_checkpoints(Checkpoint::open(folder_ / "aware/quantized"), Checkpoint::open(aware.directory), two_threads());
  EXPECT_EQ(changed.size(), 14u);  // the codes of every linear, and nothing else
  for (const TensorDifference& d : changed) EXPECT_EQ(d.scales_different, 0) << d.name;
}

TEST_F(Training, BeginsWithTheCodesAndScalesOfTheCompressedModel) {
  for (const char* scheme : {"W8A8", "W8A8_STATIC", "W8A8_STATIC+lsq", "W8A8_STATIC+pact", "W8A8_ASYM", "W8A8_ASYM+lsq",
                             "W8A8_ASYM+pact", "W8A16", "W8A16+lsq", "FP8", "FP8+lsq", "FP8_BLOCK", "MXFP8"}) {
    const RunResult result = train(
        config(scheme,
               fmt::format("precision: qat:{}\nsteps: 4\nquantization: {{steps: 1, learning_rate: 1e-30}}\n", scheme)));
    const auto changed = diff_checkpoints(Checkpoint::open(folder_ / scheme / "quantized"),
                                          Checkpoint::open(result.directory), two_threads());
    for (const TensorDifference& d : changed) {  // a zero that takes a step, however small, may change its sign
      EXPECT_EQ(d.scales_different, 0) << scheme << ' ' << d.name;
      EXPECT_LE(d.codes_different, 1) << scheme << ' ' << d.name;
    }
    EXPECT_LE(changed.size(), 2u) << scheme;
  }
}

TEST_F(Training, GoesOnWithACompressedModel) {
  const RunResult first = train(config("first", "precision: qat:FP8_DYNAMIC\nsteps: 40\nquantization: {steps: 0}\n"));
  for (const char* more : {"precision: bf16\n", "precision: qat:W8A8\nquantization: {from_start: true}\n"}) {
    std::string text = recipe(more[11] == 'b' ? "bf16" : "w8a8",
                              fmt::format("{}steps: 1\nfrom: {}\n", more, first.directory.string()));
    const auto model = text.find("\nmodel:") + 1;
    text.erase(model, text.find("data:") - model);
    text.replace(text.find("3e-3"), 4, "1e-9");
    text.erase(text.find("schedule:"), text.find("validate_every") - text.find("schedule:"));
    const RunResult second = train(parse_train_config(text, folder_ / "b.yaml"));
    EXPECT_NEAR(second.validation_loss, first.validation_loss, 0.01) << more;
  }
}

TEST_F(Training, LearnsFromATeacher) {
  const RunResult teacher = train(config("teacher", "precision: fp32\nsteps: 40\n"));
  const RunResult student = train(
      config("student", fmt::format("precision: qat:W8A8\nsteps: 40\ndistillation: {{teacher: {}, weight: 0.7}}\n",
                                    teacher.directory.string())));
  EXPECT_LT(student.validation_loss, 4.8);
}

TEST_F(Training, GoesOnWithAModel) {
  const RunResult first = train(config("first", "precision: fp32\nsteps: 40\n"));
  std::string text = recipe("second", "precision: bf16\nsteps: 5\nfrom: " + first.directory.string() + "\n");
  const auto model = text.find("\nmodel:") + 1;
  text.erase(model, text.find("data:") - model);
  const RunResult second = train(parse_train_config(text, folder_ / "b.yaml"));
  EXPECT_LT(second.validation_loss, first.validation_loss + 0.1);
}

TEST_F(Training, StopsWhereTheLossDiverges) {
  std::string text = recipe("out", "precision: fp32\nsteps: 200\n");
  text.replace(text.find("3e-3"), 4, "1e3");
  const std::string message = message_of([&] { train(parse_train_config(text, folder_ / "a.yaml")); });
  EXPECT_EQ(message.rfind("step ", 0), 0u) << message;
  EXPECT_NE(message.find("model."), std::string::npos) << message;
}

TEST_F(Training, StopsWhereTheCompressedModelLeavesItsFloatForm) {
  const std::string message = message_of(
      [&] { train(config("out", "precision: qat:W8A8\nsteps: 4\nquantization: {steps: 60, learning_rate: 0.3}\n")); });
  EXPECT_NE(message.find("quantization.learning_rate"), std::string::npos) << message;
  EXPECT_TRUE(fs::exists(folder_ / "out/quantized/model.safetensors"));
}

TEST_F(Training, KeepsASecondRunOut) {
  TrainConfig c = config("out");
  RunHooks hooks;
  hooks.progress = [&](const RunProgress&) {
    EXPECT_NE(message_of([&] { train(c, true); }).find("another run"), std::string::npos);
  };
  run_training(c, false, two_threads(), hooks);
}

TEST_F(Training, RefusesDamagedCheckpointsAndModels) {
  const TrainConfig c = config("out", "precision: qat:W8A8\nsteps: 4\nquantization: {steps: 2}\n");
  train(c);
  const auto spoil = [&](const fs::path& file, std::streamoff from_end) {
    std::fstream f(file, std::ios::in | std::ios::out | std::ios::binary);
    f.seekg(-from_end, std::ios::end);
    const char byte = static_cast<char>(f.get() ^ 1);
    f.seekp(-from_end, std::ios::end);
    f.put(byte);
  };
  const fs::path checkpoint = folder_ / "out/checkpoint.safetensors", model = folder_ / "out/float/model.safetensors";
  EXPECT_EQ(message_of([&] { train(c, true); }), "nothing was refused");
  spoil(model, 100);
  EXPECT_NE(message_of([&] { train(c, true); }).find("not those that the run made"), std::string::npos);
  spoil(model, 100);
  spoil(checkpoint, 1000);
  EXPECT_NE(message_of([&] { train(c, true); }).find("not those that were written"), std::string::npos);
}

TEST_F(Training, RefusesACheckpointOfAnotherRecipeOrOtherData) {
  train(config("out"));
  EXPECT_NE(message_of([&] { train(config("out")); }).find("--resume"), std::string::npos);
  const auto other = config("out", "precision: bf16\nsteps: 12\n");
  const std::string message = message_of([&] { train(other, true); });
  EXPECT_NE(message.find("another recipe"), std::string::npos) << message;
  EXPECT_NE(message.find("accumulate"), std::string::npos) << message;
  write(folder_ / "train.txt", story(3, 3000));
  EXPECT_NE(message_of([&] { train(config("out"), true); }).find("other data"), std::string::npos);
}

TEST_F(Training, SaysWhatToDoWhereAModelOfTheRunIsDamagedOrMissing) {
  struct Killed {};
  TrainConfig c = config("out", "precision: qat:W8A8\nsteps: 3\nquantization: {steps: 4}\n");
  c.log_every = c.checkpoint_every = 1;
  RunHooks hooks;
  hooks.progress = [](const RunProgress& p) {
    if (p.step == 6) throw Killed{};
  };
  EXPECT_THROW(run_training(c, false, two_threads(), hooks), Killed);
  for (const char* file : {"quantized/model.safetensors", "float/model.safetensors", "float/config.json"}) {
    const std::string whole = contents_of(folder_ / "out" / file);
    fs::resize_file(folder_ / "out" / file, whole.size() / 2);
    const std::string message = message_of([&] { train(c, true); });
    EXPECT_NE(message.find("out: the models of the run are damaged or missing; begin anew in another output"),
              std::string::npos)
        << message;
    EXPECT_NE(message.find(file), std::string::npos) << message;
    write(folder_ / "out" / file, whole);
  }
  EXPECT_EQ(train(c, true).steps, 7) << "they are whole again";
  fs::remove_all(folder_ / "out/quantized");
  const TrainConfig shorter = config("out", "precision: qat:W8A8\nsteps: 4\nquantization: {steps: 2}\n");
  EXPECT_NE(message_of([&] { train(shorter, true); }).find("another recipe"), std::string::npos);
}

TEST_F(Training, KnowsItsMemoryBeforehand) {
  TrainConfig c = config("out", "precision: fp32\nsteps: 3\n");
  c.batch_size = 256;
  c.sequence_length = 64;
  PeakMemory memory;
  RunHooks hooks;
  int64_t expected = 0;
  hooks.begin = [&](const RunPlan& plan) { expected = plan.memory.total(); };
  run_training(c, false, two_threads(), hooks);
  const auto peak = static_cast<double>(memory.peak_anonymous_bytes());
  if (!kSanitized) {
    EXPECT_NEAR(static_cast<double>(expected), peak, 0.1 * peak);
  }
}

TEST_F(Training, RefusesRecipesThatCannotBe) {
  const auto refused = [&](const std::string& text) {
    return message_of([&] { train(parse_train_config(text, folder_ / "recipe.yaml")); });
  };
  const auto without = [&](const std::string& line) {
    std::string text = "\n" + recipe("out");
    const auto at = text.find("\n" + line) + 1;
    auto end = text.find('\n', at) + 1;
    if (line == "model:") end = text.find("data:");
    return text.erase(at, end - at);
  };
  const auto expect = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  };
  expect(refused(recipe("out") + "stpes: 3\n"), "there is no field \"stpes\"");
  expect(refused(without("tokenizer:")), "tokenizer is missing");
  expect(refused(without("output:")), "output is missing");
  expect(refused(without("model:")), "either model");
  expect(refused(without("data:")), "train names no file");
  expect(refused(without("steps:")), "either steps or epochs");
  expect(refused(recipe("out") + "epochs: 2\n"), "either steps or epochs");
  expect(refused(recipe("out", "precision: fp7\nsteps: 3\n")), "fp8_delayed");
  expect(refused(recipe("out", "precision: qat:W9A9\nsteps: 3\n")), "W8A8");
  const std::string aware = "precision: qat:W8A8\nsteps: 3\nquantization: ";
  expect(refused(recipe("out", "precision: bf16\nsteps: 3\nquantization: {steps: 3}\n")), "qat:SCHEME");
  expect(refused(recipe("out", aware + "{begin: 3}\n")), "there is no field \"begin\"");
  expect(refused(recipe("out", aware + "{steps: -3}\n")), "steps is -3");
  expect(refused(recipe("out", aware + "{algorithm: best}\n")), "smoothquant");
  expect(refused(recipe("out", aware + "{from_start: true, steps: 3}\n")), "from_start");
  expect(refused(recipe("out", "precision: fp32\nsteps: -3\n")), "steps is -3");
  expect(refused(recipe("out", "precision: fp32\nsteps: many\n")), "steps");
  std::string text = without("schedule:") + "schedule: {warmup_steps: 5000}\nepochs: 0.1\n";
  expect(refused(text.erase(text.find("steps: 12"), 10)), "recipe.yaml: schedule: warmup_steps is 5000");
  expect(refused(without("validate_every:") + "patience: 3\n"), "patience needs");
  text = recipe("out");
  text.replace(text.find("train.txt"), 9, "trian.txt");
  expect(refused(text), "trian.txt");
  text = recipe("out");
  text.replace(text.find("sequence_length: 32"), 19, "sequence_length: 999999");
  expect(refused(text), "positions");
  text = recipe("out");
  text.replace(text.find("sequence_length: 32"), 19, "sequence_length: 32, end_of_text: <|end|>");
  expect(refused(text), "<|end|>");
  expect(refused(recipe("out") + "seed: [1\n"), "line");
}

}  // namespace
}  // namespace octet::train
