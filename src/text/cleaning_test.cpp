#include "text/cleaning.h"

#include "base/errors_for_tests.h"
#include "base/json.h"
#include "numeric/random.h"
#include "text/stop_words.h"
#include "text/tokenizer.h"
#include "text/train_word_level.h"
#include "text/unicode.h"

namespace octet {
namespace {

std::string clean(const CleaningOptions& options, std::string_view text) {
  return TextCleaner(options).clean(text);
}

CleaningOptions with_stop_words(StopWords words, bool collapse = true) {
  return {.stop_words = words, .collapse_spaces = collapse};
}

TEST(TextCleaner, LeavesTextAloneUnlessAsked) {
  EXPECT_EQ(clean({}, " It's  A Test, 的。\n"), " It's  A Test, 的。\n");
  EXPECT_EQ(clean({}, "a\xff"), "a\xef\xbf\xbd");
  EXPECT_EQ(cleaning_normalizer({}), "null");
}

TEST(TextCleaner, LowersCase) {
  EXPECT_EQ(clean({.lower_case = true}, "ÄPFEL ABC"), "äpfel abc");
}

TEST(TextCleaner, StripsPunctuationButNotInsideContractions) {
  const CleaningOptions options{.strip_punctuation = true, .collapse_spaces = true};
  EXPECT_EQ(clean(options, "Well, don't -- 'quote' it... (100%) £5 rock 'n' roll!"),
            "Well don't quote it 100 5 rock n roll");
  EXPECT_EQ(clean(options, "好，吗？“是”。￥5"), "好 吗 是 5");
}

TEST(TextCleaner, TakesAwayWholeEnglishWords) {
  const CleaningOptions options = with_stop_words(StopWords::english);
  EXPECT_EQ(clean(options, "The theory of a cat is not the cat"), "theory cat not cat");
  EXPECT_EQ(clean(options, "it 's a charming and often affecting journey ."), "charming often affecting journey .");
  EXPECT_EQ(clean(options, "It's THEIRS, isn't it?"), ", isn't ?");
  EXPECT_EQ(clean(options, "cats' theatre a-b"), "cats' theatre -b");
}

TEST(TextCleaner, TakesMoreWordsLiterally) {
  CleaningOptions options = with_stop_words(StopWords::english);
  options.more_stop_words = {"c++", "a.b"};
  EXPECT_EQ(clean(options, "I like C++ but axb and a.b no"), "like but axb no");
  options.stop_words = StopWords::none;
  EXPECT_EQ(clean(options, "the C++ a.b"), "the");
  options.more_stop_words = {""};
  expect_error([&] { clean(options, "x"); }, {"stop word", "empty"});
}

// By hand: at each place the longest word of the list, else the character stays.
std::string longest_match(std::string_view text, std::span<const std::string_view> words) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t longest = 0;
    for (const std::string_view word : words) {
      if (text.substr(at, word.size()) == word) longest = std::max(longest, word.size());
    }
    const size_t step = longest ? longest : utf8_length(text[at]);
    if (!longest) out += text.substr(at, step);
    at += step;
  }
  return out;
}

TEST(TextCleaner, TakesAwayTheLongestChineseStopWords) {
  const auto words = chinese_stop_words();
  const TextCleaner cleaner(with_stop_words(StopWords::chinese, false));
  EXPECT_EQ(cleaner.clean("我们的房间很大，但是服务不好。"), "房间很大，但服务不好。");
  EXPECT_EQ(cleaner.clean("对于为什么"), "");
  std::string text;
  const RandomStream random(3, 0, 0);
  const std::string_view others[] = {"房", "间", "不", "好", "，", "a", " "};
  for (uint64_t i = 0; i < 3000; ++i) {
    const uint32_t bits = random.bits(i);
    text += bits % 3 == 0 ? others[bits / 3 % std::size(others)] : words[bits / 3 % words.size()];
  }
  EXPECT_EQ(cleaner.clean(text), longest_match(text, words));
}

TEST(TextCleaner, StandsChineseCharactersApart) {
  const CleaningOptions options{.split_characters = true, .collapse_spaces = true};
  EXPECT_EQ(clean(options, "房间 is 很好!"), "房 间 is 很 好 !");
}

TEST(TextCleaner, DoesAllInOrder) {
  const CleaningOptions options{.lower_case = true,
                                .stop_words = StopWords::chinese,
                                .strip_punctuation = true,
                                .split_characters = true,
                                .collapse_spaces = true};
  EXPECT_EQ(clean(options, "这个宾馆比较陈旧了，WIFI 也很一般。"), "宾 馆 较 陈 旧 wifi 很 般");
}

TEST(TextCleaner, ListsAreWords) {
  for (const auto list : {english_stop_words(), chinese_stop_words()}) {
    for (const std::string_view word : list) {
      EXPECT_FALSE(word.empty());
      EXPECT_EQ(valid_utf8_prefix(word), word.size());
      EXPECT_EQ(clean({.lower_case = true}, word), word);
    }
  }
  const auto english = english_stop_words();
  for (const char* kept : {"not", "no", "never", "very"}) {
    EXPECT_EQ(std::count(english.begin(), english.end(), kept), 0) << kept;
  }
  expect_error([] { stop_words_named("german"); }, {"german", "none, english, chinese"});
  EXPECT_EQ(stop_words_named(name_of(StopWords::chinese)), StopWords::chinese);
}

std::string word_level(const std::vector<std::string>& texts, const WordLevelOptions& options, int threads = 1) {
  Threads crew(threads);
  return train_word_level(std::vector<std::string_view>(texts.begin(), texts.end()), options, crew);
}

TEST(TrainWordLevel, OrdersWordsByFrequencyAndCarriesTheCleaning) {
  WordLevelOptions options;
  options.cleaning = {.lower_case = true, .stop_words = StopWords::english, .strip_punctuation = true};
  const std::vector<std::string> texts = {"The good, the bad.", "Good film!", "bad film; good", "zebra"};
  const std::string json = word_level(texts, options);
  EXPECT_EQ(word_level(texts, options, 3), json);
  const Tokenizer tokenizer = Tokenizer::parse(json, "x");
  EXPECT_EQ(tokenizer.id_of("[PAD]"), 0);
  EXPECT_EQ(tokenizer.id_of("[UNK]"), 1);
  EXPECT_EQ(tokenizer.id_of("good"), 2);
  EXPECT_EQ(tokenizer.id_of("bad"), 3);
  EXPECT_EQ(tokenizer.id_of("film"), 4);
  EXPECT_EQ(tokenizer.id_of("zebra"), 5);
  EXPECT_EQ(tokenizer.vocabulary_size(), 6);
  EXPECT_EQ(tokenizer.encode("The GOOD, unseen film"), (std::vector<int32_t>{2, 1, 4}));
  EXPECT_TRUE(tokenizer.encode("the, of.").empty());
}

TEST(TrainWordLevel, KeepsToItsLimits) {
  WordLevelOptions options;
  options.vocabulary_size = 4;
  const std::vector<std::string> texts = {"c b a b c b"};
  EXPECT_EQ(Tokenizer::parse(word_level(texts, options), "x").encode("a b c"), (std::vector<int32_t>{1, 2, 3}));
  options.vocabulary_size = 100;
  options.min_frequency = 3;
  EXPECT_EQ(Tokenizer::parse(word_level(texts, options), "x").vocabulary_size(), 3);
  options.vocabulary_size = 2;
  expect_error([&] { word_level(texts, options); }, {"vocabulary of 2"});
  expect_error([&] { word_level({" ", ""}, WordLevelOptions{}); }, {"no word"});
}

}  // namespace
}  // namespace octet
