#include "text/train_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer.h"
#include "text/word_counts.h"

namespace octet {
namespace {

using testing::HasSubstr;

TrainedBpe train(const std::vector<std::string>& texts, const BpeOptions& options, int threads = 1) {
  Threads crew(threads);
  return train_bpe(std::vector<std::string_view>(texts.begin(), texts.end()), options, crew);
}

std::string error_of(const std::vector<std::string>& texts, const BpeOptions& options) {
  try {
    train(texts, options);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

BpeOptions options_of(const Json& golden) {
  BpeOptions options;
  options.vocabulary_size = golden.at("vocabulary_size").get<int64_t>();
  options.min_frequency = golden.at("min_frequency").get<int64_t>();
  options.special_tokens = golden.at("special_tokens").get<std::vector<std::string>>();
  options.pattern = golden.at("pattern").get<std::string>();
  return options;
}

std::vector<std::vector<std::string>> merges_of(const TrainedBpe& bpe) {
  std::vector<std::vector<std::string>> out;
  for (const auto& [left, right] : bpe.merges) {
    out.push_back({bpe.tokens[static_cast<size_t>(left)], bpe.tokens[static_cast<size_t>(right)]});
  }
  return out;
}

TEST(TrainBpe, AgreesWithTheLibrarysTrainer) {
  const Json goldens = read_json(std::filesystem::path(OCTET_GOLDEN_DIR) / "text" / "bpe_training.json");
  for (const Json& golden : goldens) {
    const auto name = golden.at("name").get<std::string>();
    const TrainedBpe bpe = train(golden.at("texts").get<std::vector<std::string>>(), options_of(golden), 2);
    EXPECT_EQ(bpe.tokens, golden.at("tokens").get<std::vector<std::string>>()) << name;
    EXPECT_EQ(merges_of(bpe), golden.at("merges").get<std::vector<std::vector<std::string>>>()) << name;
    const Tokenizer tokenizer = Tokenizer::parse(tokenizer_json(bpe), name);
    for (const Json& c : golden.at("cases")) {
      const auto text = c.at("text").get<std::string>();
      const auto ids = c.at("ids").get<std::vector<int32_t>>();
      EXPECT_EQ(tokenizer.encode(text), ids) << name << ": " << text;
      EXPECT_EQ(tokenizer.decode(ids), text) << name;
    }
  }
}

TEST(TrainBpe, DoesNotDependOnThreads) {
  const std::filesystem::path file = std::filesystem::path(OCTET_DATA_DIR) / "text" / "tinystories.train.txt";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  BpeOptions options;
  options.vocabulary_size = 1500;
  const std::string one = tokenizer_json(train({text.str()}, options, 1));
  for (const int threads : {2, 5}) EXPECT_EQ(tokenizer_json(train({text.str()}, options, threads)), one) << threads;
}

TEST(TrainBpe, KeepsSpecialTokensWholeAndOutOfWords) {
  BpeOptions options;
  options.vocabulary_size = 300;
  options.special_tokens = {"<|endoftext|>", "<pad>"};
  std::string text;
  for (int i = 0; i < 50; ++i) text += "one story<|endoftext|>another story<|endoftext|>";
  const TrainedBpe bpe = train({text}, options);
  EXPECT_EQ(bpe.tokens[0], "<|endoftext|>");
  EXPECT_EQ(bpe.tokens[1], "<pad>");
  for (size_t id = 2; id < bpe.tokens.size(); ++id) {
    EXPECT_EQ(bpe.tokens[id].find("end"), std::string::npos) << bpe.tokens[id];
  }
  const Tokenizer tokenizer = Tokenizer::parse(tokenizer_json(bpe), "x");
  EXPECT_EQ(tokenizer.encode("story<|endoftext|>").back(), 0);
  const Json config = Json::parse(tokenizer_config_json(bpe));
  EXPECT_EQ(config.at("bos_token"), "<|endoftext|>");
  EXPECT_EQ(config.at("eos_token"), "<|endoftext|>");
  EXPECT_EQ(config.at("pad_token"), "<pad>");
  EXPECT_FALSE(config.contains("unk_token"));
}

TEST(TrainBpe, RefusesWhatCannotBe) {
  BpeOptions options;
  options.vocabulary_size = 256;
  EXPECT_THAT(error_of({"text"}, options), AllOf(HasSubstr("256"), HasSubstr("257")));
  options.vocabulary_size = 300;
  EXPECT_THAT(error_of({""}, options), HasSubstr("empty"));
  EXPECT_THAT(error_of({}, options), HasSubstr("empty"));
  options.special_tokens = {"<s>", "<s>"};
  EXPECT_THAT(error_of({"text"}, options), HasSubstr("twice"));
  options.special_tokens = {"a"};
  EXPECT_THAT(error_of({"text"}, options), HasSubstr("character of a byte"));
  options.special_tokens = {""};
  EXPECT_THAT(error_of({"text"}, options), HasSubstr("empty"));
  options.special_tokens = {};
  options.pattern = "(";
  EXPECT_THAT(error_of({"text"}, options), HasSubstr("--pattern"));
}

TEST(TrainBpe, TakesBytesThatAreNoText) {
  BpeOptions options;
  options.vocabulary_size = 258;
  options.min_frequency = 1;
  EXPECT_EQ(train({"\xff\xff \xe4\xbd"}, options).tokens.size(), 258u);
}

void split_at_spaces(std::string_view text, std::vector<Range>& words) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at + 1), text.size());
    words.push_back({at, end});
    at = end;
  }
}

TEST(WordCounts, CountsAcrossTheBordersOfStretches) {
  std::string text;
  std::map<std::string, int64_t> expected;
  for (int i = 0; i < 400'000; ++i) {
    const std::string word = " w" + std::string(1, static_cast<char>('a' + i * 7 % 26)) + "x";
    text += word;
    ++expected[word];
  }
  Threads threads(2);
  const std::string_view view = text;
  const WordCounts counts = count_words({&view, 1}, {}, split_at_spaces, threads);
  std::map<std::string, int64_t> found;
  for (const auto& word : counts.words()) found[std::string(counts.text(word))] = word.count;
  EXPECT_EQ(found, expected);
}

TEST(WordCounts, NeverCutsACharacter) {
  std::string text;
  while (text.size() < (3u << 20)) text += "海";
  Threads threads(2);
  const std::string_view view = text;
  const auto characters = [](std::string_view t, std::vector<Range>& words) {
    for (size_t at = 0; at < t.size(); at += 3) words.push_back({at, at + 3});
  };
  const WordCounts counts = count_words({&view, 1}, {}, characters, threads);
  ASSERT_EQ(counts.words().size(), 1u);
  EXPECT_EQ(counts.words()[0].count, static_cast<int64_t>(text.size() / 3));
}

}  // namespace
}  // namespace octet
