#include "compress/walk.h"

#include <fstream>

#include "compress/compress_for_tests.h"
#include "compress/sequences.h"
#include "compress/target.h"
#include "eval/perplexity.h"
#include "run/model.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

const fs::path kStories = OCTET_DATA_DIR "/models/stories260K";
const fs::path kText = OCTET_DATA_DIR "/text/tinystories.train.txt";

std::string text_of(size_t begin, size_t bytes) {
  return read_file(kText).substr(begin, bytes);
}

// Compresses `model` with an algorithm on the beginning of the stories.
WalkResult make(const fs::path& model, const fs::path& output, std::string_view scheme, std::string_view algorithm,
                int threads = 2, std::optional<QuantizationConfig> groups = std::nullopt, int64_t tokens = 4000,
                bool include_head = false) {
  CompressOptions options;
  options.model = model;
  options.output = output;
  options.scheme = &scheme_named(scheme);
  options.pipeline = pipeline_named(algorithm, *options.scheme);
  options.groups = std::move(groups);
  options.calibration = kText;
  options.calibration_tokens = tokens;
  options.context = 256;
  options.include_head = include_head;
  options.command = fmt::format("octet compress {} {}", scheme, algorithm);
  const Checkpoint checkpoint = Checkpoint::open(model);
  const Plan plan = make_plan(checkpoint, options);
  Threads crew(threads);
  WalkResult result;
  compress(
      checkpoint, plan, options,
      [&](const WorkPlace& work) {
        if (options.pipeline.plain()) return Calibration{};
        result = walk_layers(checkpoint, plan, options, text_of(0, 200000), work, crew);
        return std::move(result.calibration);
      },
      crew, [](int64_t) {});
  return result;
}

Comparison compare_with(const fs::path& model, const fs::path& baseline, size_t bytes = 24000) {
  Threads threads(2);
  Context ctx(threads);
  const Model ours = load_model(model, threads), theirs = load_model(baseline, threads);
  const std::vector<int32_t> tokens = ours.tokenizer.encode(text_of(1500000, bytes));
  return compare(ctx, ours, theirs, tokens, {.context = 256, .batch = 4});
}

// Multiplies rows (or numbers) of one tensor by factors and divides the columns of others by them.
class OutlierModel {
 public:
  explicit OutlierModel(const fs::path& directory) : directory_(directory) {
    const Checkpoint checkpoint = Checkpoint::open(kStories);
    for (const std::string& name : checkpoint.names()) {
      const Tensor stored = checkpoint.tensor(name);
      Tensor copy(stored.shape());
      std::memcpy(copy.raw(), to_f32(stored).raw(), static_cast<size_t>(copy.bytes()));
      tensors_.emplace_back(name, copy);
    }
    for (int layer = 0; layer < 5; ++layer) add_outliers(fmt::format("model.layers.{}.", layer), layer);
    fs::create_directory(directory);
    for (const char* const file :
         {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
      fs::copy_file(kStories / file, directory / file);
    }
    write_safetensors(directory / "model.safetensors", tensors_);
  }

 private:
  Tensor& tensor(const std::string& name) {
    for (auto& [other, x] : tensors_) {
      if (other == name) return x;
    }
    throw std::runtime_error("no tensor " + name);
  }
  void multiply_row(const std::string& name, int64_t row, float factor) {
    Tensor& x = tensor(name);
    const int64_t width = x.elements() / x.size(0);
    for (int64_t i = row * width; i < (row + 1) * width; ++i) x.f32()[i] *= factor;
  }
  void divide_column(const std::string& name, int64_t column, float factor) {
    Tensor& x = tensor(name);
    for (int64_t i = column; i < x.elements(); i += x.size(1)) x.f32()[i] /= factor;
  }

  void add_outliers(const std::string& layer, int seed) {
    for (int i = 0; i < 3; ++i) {
      const int64_t channel = (seed * 11 + i * 23) % 64, hidden = (seed * 31 + i * 57) % 172;
      const float factor = 30.0f + static_cast<float>((seed * 3 + i * 5) % 8) * 10;
      multiply_row(layer + "input_layernorm.weight", channel, factor);
      for (const char* const name : {"q", "k", "v"})
        divide_column(layer + "self_attn." + name + "_proj.weight", channel, factor);
      multiply_row(layer + "post_attention_layernorm.weight", channel, factor);
      for (const char* const name : {"gate", "up"})
        divide_column(layer + "mlp." + name + "_proj.weight", channel, factor);
      multiply_row(layer + "mlp.up_proj.weight", hidden, factor);
      divide_column(layer + "mlp.down_proj.weight", hidden, factor);
      const int64_t row = (seed * 5 + i * 9) % 32;  // 4 key-value heads of 8, each read by 2 heads
      multiply_row(layer + "self_attn.v_proj.weight", row, factor);
      for (int64_t head = 0; head < 2; ++head) {
        divide_column(layer + "self_attn.o_proj.weight", (row / 8 * 2 + head) * 8 + row % 8, factor);
      }
    }
  }

  fs::path directory_;
  std::vector<std::pair<std::string, Tensor>> tensors_;
};

class Walk : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kStories) || !fs::exists(kText)) GTEST_SKIP() << kStories << " is not there";
  }
  fs::path out(const std::string& name) const { return directory_ / name; }
  TemporaryDirectory directory_;
};

TEST_F(Walk, OutliersBreakRoundingToTheNearestAndNothingElse) {
  const OutlierModel model(out("outliers"));
  EXPECT_LT(compare_with(out("outliers"), kStories, 12000).mean_kl, 1e-8) << "the function is unchanged";
  const auto ratio = [&](std::string_view algorithm) {
    const fs::path made = out(fmt::format("made-{}", algorithm));
    make(out("outliers"), made, "W8A8", algorithm);
    return compare_with(made, kStories).ratio;
  };
  EXPECT_GT(ratio("rtn"), 1.05);
  EXPECT_LT(ratio("smoothquant"), 1.01);
  EXPECT_LT(ratio("rotation"), 1.01);
  EXPECT_LT(ratio("default"), 1.01);
}

TEST_F(Walk, RotationKeepsTheFunction) {
  const OutlierModel model(out("outliers"));
  QuantizationConfig none;  // one small matrix becomes codes, the rest is rotated and stays
  none.groups.push_back(
      {{"model.layers.4.self_attn.k_proj"}, per_channel(Format::INT8), std::nullopt, Storage::int_quantized});
  make(out("outliers"), out("rotated"), "W8A8", "rotation", 2, none);
  EXPECT_TRUE(Checkpoint::open(out("rotated")).has("lm_head.weight")) << "its final norm is uneven";
  EXPECT_FALSE(config_of(out("rotated"))["tie_word_embeddings"]);
  EXPECT_LT(compare_with(out("rotated"), kStories, 12000).mean_kl, 1e-4);
}

TEST_F(Walk, RotatesAHeadThatIsQuantizedToo) {
  for (const char* const scheme : {"W8A8", "W8A8_STATIC", "FP8_BLOCK", "CODEBOOK8A16"}) {
    make(kStories, out(scheme), scheme, "rotation", 2, std::nullopt, 1000, true);
    const TensorInfo head = Checkpoint::open(out(scheme)).info("lm_head.weight");
    EXPECT_EQ(head.bytes, elements_of(head.shape)) << "a code a number";
    EXPECT_LT(compare_with(out(scheme), kStories, 6000).mean_kl, 0.02) << scheme;
  }
}

TEST_F(Walk, TheDefaultLosesLessThanRoundingToTheNearestInEveryScheme) {
  for (const char* const scheme : {"W8A8", "W8A8_STATIC", "W8A16", "FP8_DYNAMIC", "FP8_BLOCK"}) {
    const bool fixed = std::string_view(scheme) == "W8A8_STATIC";
    const int64_t tokens = fixed ? kFewestStaticRows : 4000;
    make(kStories, out(std::string("best") + scheme), scheme, "default", 2, std::nullopt, tokens);
    make(kStories, out(std::string("mse") + scheme), scheme, fixed ? "mse" : "rtn");
    const double best = compare_with(out(std::string("best") + scheme), kStories).mean_kl;
    const double plain = compare_with(out(std::string("mse") + scheme), kStories).mean_kl;
    EXPECT_LT(best, 0.95 * plain) << scheme;
  }
}

TEST_F(Walk, DoesNotSmoothInputsOfAFixedScaleOnFewTokens) {
  make(kStories, out("default"), "FP8", "default", 2, std::nullopt, 1000);
  make(kStories, out("gptq"), "FP8", "gptq", 2, std::nullopt, 1000);
  EXPECT_EQ(read_file(out("default") / "model.safetensors"), read_file(out("gptq") / "model.safetensors"));
}

TEST_F(Walk, GivesTheSameBytesForAnyNumberOfThreads) {
  for (const char* const algorithm : {"smoothquant+gptq", "rotation+mse+bias"}) {
    make(kStories, out(std::string("one") + algorithm), "W8A8", algorithm, 1);
    make(kStories, out(std::string("many") + algorithm), "W8A8", algorithm, 5);
    EXPECT_EQ(read_file(out(std::string("one") + algorithm) / "model.safetensors"),
              read_file(out(std::string("many") + algorithm) / "model.safetensors"));
  }
}

TEST_F(Walk, WatchesTheErrorThatIsCarriedUpwards) {
  CompressOptions options;
  options.model = kStories;
  options.scheme = &scheme_named("W8A8");
  options.pipeline = pipeline_named("mse", *options.scheme);
  options.calibration = kText;
  options.calibration_tokens = 1000;
  options.watch_noise = true;
  const Checkpoint checkpoint = Checkpoint::open(kStories);
  const Plan plan = make_plan(checkpoint, options);
  Threads threads(2);
  fs::create_directory(out("work"));
  const WalkResult result = walk_layers(checkpoint, plan, options, text_of(0, 20000), {out("work"), "x"}, threads);
  ASSERT_EQ(result.noise.size(), 35u);
  for (const ModuleNoise& noise : result.noise) {
    if (noise.module.starts_with("model.layers.0.")) {
      EXPECT_EQ(noise.carried, 0) << noise.module;
    } else {
      EXPECT_GT(noise.carried, 1e-6) << noise.module;  // codes of eight bits: 40 to 50 dB a layer
      EXPECT_LT(noise.carried, 5e-3) << noise.module;
    }
  }
}

TEST_F(Walk, GoesOnWhereAnEarlierRunStopped) {
  make(kStories, out("whole"), "W8A8", "default");
  CompressOptions options;
  options.model = kStories;
  options.output = out("resumed");
  options.scheme = &scheme_named("W8A8");
  options.pipeline = pipeline_named("default", *options.scheme);
  options.calibration = kText;
  options.calibration_tokens = 4000;
  options.context = 256;
  options.command = "octet compress W8A8 default";
  const Checkpoint checkpoint = Checkpoint::open(kStories);
  const Plan plan = make_plan(checkpoint, options);
  Threads crew(2);
  const auto run = [&](int64_t layers, const std::string& text) {
    WalkResult result;
    compress(
        checkpoint, plan, options,
        [&](const WorkPlace& work) {
          result = walk_layers(checkpoint, plan, options, text, work, crew);
          if (layers < 0) return std::move(result.calibration);
          for (int64_t i = layers; i < 5; ++i) fs::remove(work.directory / fmt::format("layer-{:05}.safetensors", i));
          throw std::runtime_error("killed");
        },
        crew, [](int64_t) {});
    return result.resumed;
  };
  const std::string text = text_of(0, 200000);
  EXPECT_THROW(run(3, text), std::runtime_error);
  EXPECT_TRUE(fs::exists(out("resumed.part") / "work"));
  EXPECT_EQ(run(-1, text), 3);
  EXPECT_FALSE(fs::exists(out("resumed.part")));
  EXPECT_FALSE(fs::exists(out("resumed") / "work"));
  EXPECT_EQ(read_file(out("resumed") / "model.safetensors"), read_file(out("whole") / "model.safetensors"));
}

TEST_F(Walk, NamesTheLayerWhoseInputIsNotFinite) {
  const Checkpoint checkpoint = Checkpoint::open(kStories);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& name : checkpoint.names()) {
    Tensor x = to_f32(checkpoint.tensor(name));
    if (name == "model.layers.1.mlp.up_proj.weight") {
      Tensor huge(x.shape());
      std::fill_n(huge.f32(), huge.elements(), 1e37f);
      x = huge;
    }
    tensors.emplace_back(name, x);
  }
  fs::create_directory(out("damaged"));
  for (const char* const file : {"config.json", "tokenizer.json"})
    fs::copy_file(kStories / file, out("damaged") / file);
  write_safetensors(out("damaged") / "model.safetensors", tensors);
  expect_error([&] { make(out("damaged"), out("made"), "W8A8", "default"); },
               {"model.layers.1.mlp.down_proj", "infinite or NaN"});
  expect_error([&] { compare_with(out("damaged"), kStories, 500); }, {"damaged: its logits are NaN or infinite"});
}

TEST(Targets, RefuseWhatTheyCannotLoad) {
  EXPECT_EQ(verdict_of(target_named("vllm-hopper"), scheme_named("FP8_BLOCK")).refused, "");
  EXPECT_NE(verdict_of(target_named("vllm-cpu"), scheme_named("FP8_DYNAMIC")).refused, "");
  EXPECT_EQ(verdict_of(target_named("vllm-cpu"), scheme_named("W8A8_STATIC")).refused, "");
  EXPECT_NE(verdict_of(target_named("vllm-ampere"), scheme_named("FP8_DYNAMIC")).slow, "");
  EXPECT_NE(verdict_of(target_named("vllm-ampere"), scheme_named("MXFP8")).refused, "");
  EXPECT_EQ(verdict_of(target_named("this-cpu"), scheme_named("FP8_E5M2")).refused, "");
  for (const Target& target : targets()) EXPECT_EQ(verdict_of(target, scheme_named(target.fastest)).refused, "");
  expect_error([] { target_named("vllm-turing"); }, {"there is no target vllm-turing; there are this-cpu"});
}

}  // namespace
}  // namespace octet
