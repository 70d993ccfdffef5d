#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "eval/speed.h"
#include "quant/quantize.h"
#include "run/generate.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

const fs::path kData = OCTET_DATA_DIR;
const fs::path kStories = kData / "models/stories260K";

#define NEEDS_STORIES() \
  if (!fs::exists(kStories)) GTEST_SKIP() << kStories << " is not there"

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

std::string text_of(const fs::path& file) {
  const MappedFile mapped(file);
  return {reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()};
}

Model quantized_stories(const char* scheme) {
  LoadOptions options;
  options.quantize = [scheme](const std::string& module, const Tensor& w) -> std::optional<QTensor> {
    if (module == "lm_head") return std::nullopt;
    QTensor q = quantize(w, *scheme_named(scheme).weights, {}, two_threads(), module);
    q.activations = scheme_named(scheme).activations;
    return q;
  };
  return load_model(kStories, two_threads(), options);
}

TEST(Perplexity, OfStories260KIsThatOfTheFloat64Reference) {
  NEEDS_STORIES();
  const Model model = load_model(kStories, two_threads());
  const Json reference = read_json(kStories / "reference.json")["perplexity_windows"];
  Context ctx(two_threads());
  for (const char* name : {"tinystories.sample.txt", "wikitext2.test.100k.txt"}) {
    const auto tokens = model.tokenizer.encode(text_of(kData / "text" / name));
    EXPECT_EQ(tokens.size(), reference[name]["tokens"]);
#if defined(__SANITIZE_ADDRESS__)
    if (tokens.size() > 10000) continue;
#endif
    EXPECT_NEAR(score(ctx, model, tokens, {}).mean_nll, reference[name]["nll"], 1e-4) << name;
  }
}

TEST(Logits, AreTheSameBitsForAnyThreadsChunkAndBatch) {
  NEEDS_STORIES();
  Threads one(1);
  for (const char* scheme : {"", "W8A8", "FP8_DYNAMIC", "FP8_BLOCK", "W8A16", "MXFP8"}) {
    const Model model = *scheme ? quantized_stories(scheme) : load_model(kStories, two_threads());
    auto tokens = model.tokenizer.encode(text_of(kData / "text/tinystories.sample.txt"));
    tokens.resize(600);
    Context ctx(two_threads()), alone(one);
    const std::string expected = score(ctx, model, tokens, {.context = 64}).logits_sha256;
    EXPECT_EQ(score(alone, model, tokens, {.context = 64}).logits_sha256, expected) << scheme << " on one thread";
    EXPECT_EQ(score(ctx, model, tokens, {.context = 64, .chunk = 7}).logits_sha256, expected) << scheme << " in pieces";
    EXPECT_EQ(score(ctx, model, tokens, {.context = 64, .chunk = 1, .batch = 16}).logits_sha256, expected)
        << scheme << " token by token in batches of 16";
    EXPECT_EQ(score(alone, model, tokens, {.context = 64, .chunk = 33, .batch = 3}).logits_sha256, expected) << scheme;
  }
}

TEST(Comparison, OfAModelWithItselfFindsNothing) {
  NEEDS_STORIES();
  const Model model = load_model(kStories, two_threads());
  const auto tokens = model.tokenizer.encode(text_of(kData / "text/tinystories.sample.txt"));
  Context ctx(two_threads());
  const Comparison same = compare(ctx, model, model, tokens, {});
  EXPECT_EQ(same.mean_kl, 0);
  EXPECT_EQ(same.top1_agreement, 1);
  EXPECT_EQ(same.ratio, 1);
  EXPECT_EQ(same.model.logits_sha256, same.baseline.logits_sha256);
}

TEST(Comparison, OfEightBitsFindsALittle) {
  NEEDS_STORIES();
  const Model baseline = load_model(kStories, two_threads()), model = quantized_stories("W8A8");
  const auto tokens = model.tokenizer.encode(text_of(kData / "text/tinystories.sample.txt"));
  Context ctx(two_threads());
  const Comparison c = compare(ctx, model, baseline, tokens, {});
  EXPECT_GT(c.mean_kl, 1e-5);
  EXPECT_LT(c.mean_kl, 0.02);
  EXPECT_GT(c.top1_agreement, 0.9);
  EXPECT_LT(c.ratio_low, c.ratio);
  EXPECT_LT(c.ratio, c.ratio_high);
  EXPECT_NEAR(std::log(c.ratio), c.model.mean_nll - c.baseline.mean_nll, 1e-9);
  EXPECT_NE(c.model.logits_sha256, c.baseline.logits_sha256);
}

TEST(Perplexity, RefusesWhatCannotBeScored) {
  NEEDS_STORIES();
  const Model model = load_model(kStories, two_threads());
  Context ctx(two_threads());
  EXPECT_THROW(score(ctx, model, {}, {}), Error);
  EXPECT_THROW(score(ctx, model, {5}, {.context = 1}), UsageError);
  EXPECT_THROW(score(ctx, model, {5}, {.context = 513}), UsageError);
  EXPECT_THROW(measure_speed(ctx, model.decoder, {.prefill = 600}), UsageError);
}

TEST(Generation, IsTheReferencesAndEndsBeforeAStopString) {
  NEEDS_STORIES();
  const Model model = load_model(kStories, two_threads());
  const Json reference = read_json(kStories / "reference.json");
  Context ctx(two_threads());
  GenerateOptions options{.max_tokens = 40, .cache = model.decoder.default_cache_format()};
  std::string shown;
  const auto prompt = model.tokenizer.encode("Once upon a time", true);
  const auto show = [&](std::string_view text) {
    shown += text;
    return true;
  };
  const Generation free = generate(ctx, model, prompt, options, show);
  EXPECT_EQ(free.ids, reference["greedy_new_token_ids"].get<std::vector<int32_t>>());
  EXPECT_EQ("Once upon a time" + free.text, reference["greedy_text"]);
  EXPECT_EQ(shown, free.text);
  EXPECT_STREQ(free.finish_reason, "length");

  shown.clear();
  options.stop = {"play outside"};
  const Generation stopped = generate(ctx, model, prompt, options, show);
  EXPECT_EQ(stopped.text, ", there was a little girl named Lily. She loved to ");
  EXPECT_EQ(shown, stopped.text);
  EXPECT_STREQ(stopped.finish_reason, "stop");
}

}  // namespace
}  // namespace octet
