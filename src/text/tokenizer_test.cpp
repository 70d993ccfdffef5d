#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/json.h"
#include "base/mapped_file.h"
#include "base/threads.h"
#include "text/unicode.h"

namespace octet {
namespace {

const std::filesystem::path kData = OCTET_DATA_DIR;

void expect_cases(const std::string& name) {
  const auto directory = kData / "tokenizers" / name;
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  const Tokenizer tokenizer = Tokenizer::load(directory);
  int count = 0;
  for (const Json& c : read_json(directory / "cases.json")) {
    const auto text = c.at("text").get<std::string>();
    EXPECT_EQ(tokenizer.encode(text), c.at("ids").get<std::vector<int32_t>>()) << text;
    ++count;
  }
  EXPECT_EQ(count, 47);
}

TEST(Tokenizer, EncodesTheCasesOfGpt2) {
  expect_cases("gpt-2");
}
TEST(Tokenizer, EncodesTheCasesOfQwen2) {
  expect_cases("qwen2");
}
TEST(Tokenizer, EncodesTheCasesOfLlamaBpe) {
  expect_cases("llama-bpe");
}
TEST(Tokenizer, EncodesTheCasesOfLlamaSpm) {
  expect_cases("llama-spm");
}
TEST(Tokenizer, EncodesTheCasesOfBertBge) {
  expect_cases("bert-bge");
}

TEST(Tokenizer, AddsTheSpecialTokensOfStories260K) {
  const auto directory = kData / "models" / "stories260K";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  const Tokenizer tokenizer = Tokenizer::load(directory);
  const Json reference = read_json(directory / "reference.json");
  for (const Json& c : reference.at("tokenizer_vectors")) {
    const auto text = c.at("text").get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, true), c.at("ids").get<std::vector<int32_t>>()) << text;
  }
}

const std::vector<std::string> kNames = {"gpt-2", "qwen2", "llama-bpe", "llama-spm", "bert-bge"};

std::string repeated(std::string_view part, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += part;
  return text;
}

double seconds_to_encode(const Tokenizer& tokenizer, const std::string& text) {
  const auto begin = std::chrono::steady_clock::now();
  tokenizer.encode(text);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// A quadratic step would make four times the text take sixteen times as long; noise must not fail the test.
TEST(Tokenizer, TakesTimeInProportionToTheText) {
  for (const auto& name : kNames) {
    const auto directory = kData / "tokenizers" / name;
    if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
    const Tokenizer tokenizer = Tokenizer::load(directory);
    for (const char* part :
         {"a", " ", "7", "\n", "\xcc\x81", "\xcc\x81\xcc\xa3", ".", "\xe4\xbd\xa0", "<", " a", "e\xcc\x81"}) {
      const double quarter = seconds_to_encode(tokenizer, repeated(part, 32 << 10));
      const double whole = seconds_to_encode(tokenizer, repeated(part, 128 << 10));
      EXPECT_LT(whole, 10 * quarter + 0.2) << name << " " << part;
    }
  }
}

TEST(Tokenizer, DecodesWhatItEncoded) {
  const auto path = kData / "text" / "wikitext2.test.100k.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const MappedFile file(path);
  const std::string text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  for (const char* name : {"gpt-2", "qwen2", "llama-bpe", "llama-spm"}) {
    const Tokenizer tokenizer = Tokenizer::load(kData / "tokenizers" / name);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text) << name;
  }
}

TEST(Tokenizer, StreamsWholeCodePointsOnly) {
  const std::string text = "caf\u00e9 \u4f60\u597d \U0001f999\U0001f999 \u1780\u17b6\u1793\u17cb \ufffd";
  for (const auto& name : kNames) {
    const auto directory = kData / "tokenizers" / name;
    if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
    const Tokenizer tokenizer = Tokenizer::load(directory);
    auto ids = tokenizer.encode(text);
    ids.pop_back();
    StreamDecoder stream(tokenizer);
    std::string joined;
    for (const int32_t id : ids) {
      const std::string part = stream.next(id);
      EXPECT_EQ(valid_utf8_prefix(part), part.size()) << name;
      joined += part;
    }
    EXPECT_EQ(joined + stream.finish(), tokenizer.decode(ids)) << name;
  }
}

TEST(StreamDecoder, GoesOnFromATextThatIsKnown) {
  for (const char* name : {"gpt-2", "llama-spm", "bert-bge", "llama-bpe"}) {
    const auto directory = kData / "tokenizers" / name;
    if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
    const Tokenizer tokenizer = Tokenizer::load(directory);
    for (const char* text : {"once upon a time 👋🦜 there was", "👋 x"}) {
      const auto ids = tokenizer.encode(text, true);
      const std::string whole = tokenizer.decode(ids);
      for (size_t known = 0; known <= ids.size(); ++known) {
        const std::span all(ids);
        const std::string before = tokenizer.decode(all.first(known));
        if (!whole.starts_with(before)) continue;  // cut inside a code point
        StreamDecoder stream(tokenizer);
        stream.follow(all.first(known));
        std::string after;
        for (const int32_t id : all.subspan(known)) after += stream.next(id);
        EXPECT_EQ(before + after + stream.finish(), whole) << name << " " << known;
      }
    }
  }
}

TEST(Tokenizer, EncodesTheSameFromSeveralThreads) {
  const auto directory = kData / "tokenizers" / "llama-spm";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  const Tokenizer tokenizer = Tokenizer::load(directory);
  const std::string text = repeated("The quick brown fox, 123 times. ", 4000);
  std::vector<std::vector<int32_t>> ids(8);
  Threads(4).for_range(8, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ids[static_cast<size_t>(i)] = tokenizer.encode(text);
  });
  for (const auto& other : ids) EXPECT_EQ(other, tokenizer.encode(text));
}

TEST(Tokenizer, KnowsItsTokens) {
  const auto directory = kData / "tokenizers" / "llama-bpe";
  if (!std::filesystem::exists(directory)) GTEST_SKIP() << directory << " is not there";
  const Tokenizer tokenizer = Tokenizer::load(directory / "tokenizer.json");
  EXPECT_EQ(tokenizer.vocabulary_size(), 128256);
  EXPECT_EQ(tokenizer.sizes().added, 256);
  EXPECT_EQ(tokenizer.id_of("<|begin_of_text|>"), 128000);
  EXPECT_EQ(tokenizer.id_of("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer.token_of(128000), "<|begin_of_text|>");
  EXPECT_EQ(tokenizer.token_of(9906), "Hello");
  EXPECT_TRUE(tokenizer.is_special(128000));
  EXPECT_FALSE(tokenizer.is_special(9906));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{128000, 9906}), "Hello");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{128000, 9906}, false), "<|begin_of_text|>Hello");
}

}  // namespace
}  // namespace octet
