#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/mapped_file.h"

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
  for (const Json& c : read_json(directory / "reference.json").at("tokenizer_vectors")) {
    const auto text = c.at("text").get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, true), c.at("ids").get<std::vector<int32_t>>()) << text;
  }
}

}  // namespace
}  // namespace octet
