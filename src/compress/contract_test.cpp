#include "compress/contract.h"

#include <fstream>

#include "compress/compress_for_tests.h"
#include "compress/layerwise.h"
#include "eval/perplexity.h"
#include "quant/quantize.h"
#include "run/model.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

const fs::path kStories = OCTET_DATA_DIR "/models/stories260K";
const fs::path kText = OCTET_DATA_DIR "/text/tinystories.train.txt";
constexpr int64_t kContext = 128;

// A trained model, a text of a few sequences, and its rows made layer by layer.
class LayerByLayer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kStories)) GTEST_SKIP() << kStories << " is not there";
    model_ = load_model(kStories, threads_);
    tokens_ = model_->tokenizer.encode(read_file(kText).substr(0, 2500));
    checkpoint_ = Checkpoint::open(kStories);
    sequences_ = sequences_of(model_->decoder.config, kStories, kContext, tokens_);
    hidden_ = run_layer_by_layer(ctx_, *checkpoint_, sequences_, directory_.path() / "rows");
    end_ = end_of(DecoderLoader(*checkpoint_, threads_));
  }

  HiddenText text() {
    return {end_, [this](int64_t begin, int64_t count) { return hidden_->read(begin, count, threads_); }};
  }

  TemporaryDirectory directory_;
  Threads threads_{2};
  Context ctx_{threads_};
  std::optional<Model> model_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<int32_t> tokens_;
  Sequences sequences_;
  std::unique_ptr<Activations> hidden_;
  Decoder end_;
};

TEST_F(LayerByLayer, GivesTheBitsOfTheWholeModel) {
  const Comparison streamed = compare(ctx_, text(), text(), tokens_);
  const Scores whole = score(ctx_, *model_, tokens_, {.context = kContext, .batch = 2});
  EXPECT_EQ(streamed.model.logits_sha256, whole.logits_sha256);
  EXPECT_EQ(streamed.model.nll, whole.nll);
  EXPECT_EQ(streamed.mean_kl, 0);
}

TEST_F(LayerByLayer, SensitivitiesAreThoseOfModelsWithOneUnitRounded) {
  CompressOptions options;
  options.model = kStories;
  options.scheme = &scheme_named("W8A8");
  options.context = kContext;
  const Scheme* const schemes[] = {options.scheme, &scheme_named("FP8_DYNAMIC")};
  const Plan plan = make_plan(*checkpoint_, options);
  const auto units = measure_sensitivities(ctx_, *checkpoint_, plan, options, schemes,
                                           {sequences_, tokens_, *hidden_, end_}, directory_.path(),
                                           [](const std::string&) {});
  ASSERT_EQ(units.size(), 20u);
  for (const size_t i : {size_t{0}, size_t{7}, size_t{19}}) {
    double least = std::numeric_limits<double>::infinity();
    for (const Scheme* scheme : schemes) {
      LoadOptions load;
      load.quantize = [&](const std::string& module, const Tensor& w) -> std::optional<QTensor> {
        if (std::find(units[i].modules.begin(), units[i].modules.end(), module) == units[i].modules.end()) return {};
        QTensor q = quantize(w, *scheme->weights, {}, threads_, module);
        q.activations = scheme->activations;
        return q;
      };
      const Model rounded = load_model(kStories, threads_, std::move(load));
      least = std::min(least, compare(ctx_, rounded, *model_, tokens_, {.context = kContext}).mean_kl);
    }
    EXPECT_EQ(units[i].kl, least) << units[i].modules[0];
  }
}

TEST_F(LayerByLayer, StaticInputsGetTheRangeOfTheText) {
  CompressOptions options;
  options.model = kStories;
  options.scheme = &scheme_named("W8A8_STATIC");
  options.calibration = kText;
  options.context = kContext;
  const Scheme* const schemes[] = {options.scheme};
  const Plan plan = make_plan(*checkpoint_, options);
  const auto units = measure_sensitivities(ctx_, *checkpoint_, plan, options, schemes,
                                           {sequences_, tokens_, *hidden_, end_}, directory_.path(),
                                           [](const std::string&) {});
  for (const Sensitivity& unit : units) {
    EXPECT_GT(unit.kl, 0) << unit.modules[0];
    EXPECT_LT(unit.kl, 0.5) << unit.modules[0];
  }
}

}  // namespace
}  // namespace octet
