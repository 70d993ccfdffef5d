// Logits against what Transformers computes on its own tiny checkpoints (tests/golden/make_model_goldens.py), and
// against the float64 reference of a trained one.
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/mapped_file.h"
#include "models/load.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

const fs::path kGoldens = fs::path(OCTET_GOLDEN_DIR) / "models";
const fs::path kStories = fs::path(OCTET_DATA_DIR) / "models/stories260K";

Threads& two_threads() {
  static Threads threads(2);
  return threads;
}

Decoder load(const fs::path& directory) {
  const Checkpoint checkpoint = Checkpoint::open(directory);
  return DecoderLoader(checkpoint, two_threads()).decoder();
}

// Logits [T,V] of tokens that go through the model in pieces of `chunk`.
std::vector<float> logits_of(const Decoder& decoder, const std::vector<int32_t>& tokens, size_t chunk = 1000,
                             Threads& threads = two_threads()) {
  Context ctx(threads);
  KvCache cache = decoder.make_cache(decoder.default_cache_format(), static_cast<int64_t>(tokens.size()));
  std::vector<float> all;
  for (size_t i = 0; i < tokens.size(); i += chunk) {
    const Input input{std::span(tokens).subspan(i, std::min(chunk, tokens.size() - i)), &cache};
    const Tensor logits = decoder.logits(ctx, decoder.forward(ctx, {&input, 1}));
    all.insert(all.end(), logits.f32(), logits.f32() + logits.elements());
  }
  return all;
}

std::vector<int32_t> continue_greedily(const Decoder& decoder, std::vector<int32_t> tokens, size_t count) {
  Context ctx(two_threads());
  KvCache cache = decoder.make_cache(decoder.default_cache_format(), static_cast<int64_t>(tokens.size() + count));
  std::vector<int32_t> generated, next = std::move(tokens);
  while (generated.size() < count) {
    const Input input{next, &cache};
    const Tensor hidden = decoder.forward(ctx, {&input, 1});
    const Tensor logits = decoder.logits(ctx, hidden.rows(hidden.size(0) - 1, 1));
    next = {static_cast<int32_t>(std::max_element(logits.f32(), logits.f32() + logits.elements()) - logits.f32())};
    generated.push_back(next[0]);
  }
  return generated;
}

// max |difference| / max |expected|
template <typename Expected>
double relative_error(const std::vector<float>& actual, const Expected* expected) {
  double difference = 0, largest = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(actual[i]) - expected[i]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return difference / largest;
}

class Goldens : public testing::TestWithParam<std::string> {};

TEST_P(Goldens, LogitsAndGreedyTokensAreThoseOfTransformers) {
  const fs::path directory = kGoldens / GetParam();
  const Json golden = read_json(directory / "golden.json");
  const MappedFile expected(directory / "logits.f32");
  const Decoder decoder = load(directory);
  const auto ids = golden["ids"].get<std::vector<int32_t>>();
  const auto logits = logits_of(decoder, ids);
  ASSERT_EQ(logits.size() * sizeof(float), expected.bytes().size());
  const double bound = golden["bound"];
  EXPECT_LE(relative_error(logits, reinterpret_cast<const float*>(expected.bytes().data())), bound);
  if (golden["gap"] <= 2 * bound) return;  // a token that close may be either
  const auto generated = golden["generated"].get<std::vector<int32_t>>();
  EXPECT_EQ(continue_greedily(decoder, golden["prompt"], generated.size()), generated);
}

TEST_P(Goldens, LogitsDoNotDependOnThreadsOrOnHowThePromptIsCut) {
  const fs::path directory = kGoldens / GetParam();
  const Decoder decoder = load(directory);
  if (decoder.config.rope.kind == RopeKind::dynamic) GTEST_SKIP() << "dynamic rope depends on the length by definition";
  const auto ids = read_json(directory / "golden.json")["ids"].get<std::vector<int32_t>>();
  const auto whole = logits_of(decoder, ids);
  Threads one(1);
  for (const size_t chunk : {1, 7, 16, 1000}) {
    EXPECT_EQ(logits_of(decoder, ids, chunk), whole) << "in pieces of " << chunk;
    EXPECT_EQ(logits_of(decoder, ids, chunk, one), whole) << "in pieces of " << chunk << " on one thread";
  }
}

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGoldens)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Transformers, Goldens, testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

TEST(Stories260K, LogitsAndTokensAreThoseOfTheFloat64Reference) {
  if (!fs::exists(kStories)) GTEST_SKIP() << kStories << " is not there";
  const Json reference = read_json(kStories / "reference.json");
  const Decoder decoder = load(kStories);
  const Json& first = reference["logits_first_8_positions"];
  std::vector<double> expected;
  for (const Json& row : first["logits"]) {
    for (const Json& logit : row) expected.push_back(logit);
  }
  const auto logits = logits_of(decoder, first["input_token_ids"]);
  ASSERT_EQ(logits.size(), expected.size());
  EXPECT_LE(relative_error(logits, expected.data()), 1e-4);
  EXPECT_EQ(continue_greedily(decoder, reference["prompt_token_ids"], 40),
            reference["greedy_new_token_ids"].get<std::vector<int32_t>>());
  const auto from_bos = reference["greedy_from_bos_200"]["token_ids"].get<std::vector<int32_t>>();
  auto generated = continue_greedily(decoder, {1}, from_bos.size() - 1);
  generated.insert(generated.begin(), 1);
  EXPECT_EQ(generated, from_bos);
}

TEST(Batch, LogitsDoNotDependOnWhatElseIsInTheBatch) {
  const fs::path directory = kGoldens / "llama3";
  const Decoder decoder = load(directory);
  const auto ids = read_json(directory / "golden.json")["ids"].get<std::vector<int32_t>>();
  const auto alone = logits_of(decoder, ids);
  Context ctx(two_threads());
  std::vector<KvCache> caches;
  std::vector<Input> batch;
  for (int i = 0; i < 16; ++i) caches.push_back(decoder.make_cache(decoder.default_cache_format(), 64));
  for (size_t i = 0; i < 16; ++i) batch.push_back({std::span(ids).first(ids.size() - (i % 3)), &caches[i]});
  const Tensor logits = decoder.logits(ctx, decoder.forward(ctx, batch));
  int64_t row = 0;
  for (const Input& input : batch) {
    const auto rows = static_cast<int64_t>(input.tokens.size());
    const Tensor part = logits.rows(row, rows);
    EXPECT_TRUE(std::equal(part.f32(), part.f32() + part.elements(), alone.begin()));
    row += rows;
  }
}

}  // namespace
}  // namespace octet
