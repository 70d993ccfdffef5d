#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "base/error.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace octet {
namespace {

using testing::HasSubstr;

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

std::string error_of_json(const std::string& json) {
  return error_of([&] { Tokenizer::parse(json, "tokenizer.json"); });
}

constexpr const char* kVocabulary = R"({"a": 0, "b": 1, "ab": 2})";

std::string bpe(const std::string& vocabulary, const std::string& merges = "[]", const std::string& more = "") {
  return fmt::format(R"({{"model": {{"type": "BPE", "vocab": {}, "merges": {}}}{}}})", vocabulary, merges, more);
}

void expect_error(const std::string& json, const char* part) {
  EXPECT_THAT(error_of_json(json), AllOf(HasSubstr("tokenizer.json"), HasSubstr(part))) << json.substr(0, 200);
}

TEST(HostileTokenizer, BrokenJsonIsSaidToBe) {
  for (const char* json : {"", "{\"model\": ", "{\"a\": 1e999}", "not"}) {
    expect_error(json, "is not valid JSON");
    EXPECT_THAT(error_of_json(json), Not(HasSubstr("json.exception")));
  }
}

TEST(HostileTokenizer, IdsMustBeOnesThatAVocabularyCanHave) {
  expect_error(bpe(R"({"a": -1})"), "negative");
  expect_error(bpe(R"({"a": 2147483648})"), "too large");
  expect_error(bpe(R"({"a": 18446744073709551615})"), "too large");
  expect_error(bpe(R"({"a": 1000000})"), "too large");
  expect_error(bpe(R"({"a": 0, "b": 0})"), "both \"a\" and \"b\"");
  expect_error(bpe(R"({"a": 0, "a": 1})"), "twice");
  expect_error(bpe(R"({"a": 0.5})"), "model.vocab");
  expect_error(bpe(R"({"a": "b"})"), "model.vocab");
  expect_error(bpe(R"({"a": null})"), "model.vocab");
  expect_error(bpe(R"({"a": {}})"), "model.vocab");
  expect_error(bpe(R"({"a": [1]})"), "model.vocab");
  expect_error(bpe("{}"), "model.vocab");
  expect_error(bpe("null"), "model.vocab");
  expect_error(bpe("3"), "model.vocab");
  expect_error(bpe(R"([["a", 0.0]])"), "vocab");
  expect_error(bpe(R"([["a"]])"), "vocab");
  expect_error(bpe(R"([[1, "a"]])"), "vocab");
  EXPECT_EQ(error_of_json(bpe(R"({"a": 0, "b": 7})")), "no error");  // real vocabularies have gaps
}

TEST(HostileTokenizer, MergesMustNameTokens) {
  expect_error(bpe(kVocabulary, R"(["a c"])"), "merges[0] names \"c\"");
  expect_error(bpe(kVocabulary, R"(["b a"])"), "names \"ba\"");
  expect_error(bpe(kVocabulary, R"(["a"])"), "model.merges");
  expect_error(bpe(kVocabulary, R"(["a b c"])"), "model.merges");
  expect_error(bpe(kVocabulary, R"([["a"]])"), "model.merges");
  expect_error(bpe(kVocabulary, R"([["a", "b", "c"]])"), "model.merges");
  expect_error(bpe(kVocabulary, R"([1])"), "model.merges");
  expect_error(bpe(kVocabulary, R"([{"a": "b"}])"), "model.merges");
  expect_error(bpe(kVocabulary, R"({"a": "b"})"), "model.merges");
  expect_error(bpe(kVocabulary, R"([[["a"]]])"), "model.merges");
  EXPECT_EQ(Tokenizer::parse(bpe(kVocabulary, R"([["a", "b"]])"), "x").encode("aab"), (std::vector<int32_t>{0, 2}));
}

TEST(HostileTokenizer, AddedTokensMustNotTakeIdsOfOthers) {
  const auto added = [](const std::string& list) { return bpe(kVocabulary, "[]", R"(, "added_tokens": )" + list); };
  expect_error(added(R"([{"id": 1, "content": "<s>"}])"), "belongs to \"b\"");
  expect_error(added(R"([{"id": 3, "content": "<s>"}, {"id": 3, "content": "<t>"}])"), "belongs to \"<s>\"");
  expect_error(added(R"([{"id": -3, "content": "<s>"}])"), "-3");
  expect_error(added(R"([{"id": 2147483648, "content": "<s>"}])"), "2147483648");
  expect_error(added(R"([{"content": "<s>"}])"), "id");
  expect_error(added(R"([{"id": 3}])"), "content");
  expect_error(added(R"([3])"), "added_tokens[0]");
  expect_error(added(R"({"id": 3})"), "added_tokens");
  const std::string long_content(1 << 20, 'x');
  expect_error(added(fmt::format(R"([{{"id": 3, "content": "{}"}}])", long_content)), "added token may have");
  // Tokens inside tokens: the longest is found, nothing goes round.
  const auto tokenizer = Tokenizer::parse(
      added(R"([{"id": 3, "content": "<a>"}, {"id": 4, "content": "<a><a>"}, {"id": 0, "content": "a"}])"), "x");
  EXPECT_EQ(tokenizer.encode("<a><a><a>a"), (std::vector<int32_t>{4, 3, 0}));
}

TEST(HostileTokenizer, StepsMustBeKnownAndWhole) {
  const auto step = [](const std::string& key, const std::string& json) {
    return bpe(kVocabulary, "[]", fmt::format(R"(, "{}": {})", key, json));
  };
  expect_error(step("normalizer", R"({"type": "NFX"})"), "normalizer: the type \"NFX\" is not supported");
  expect_error(step("pre_tokenizer", R"({"type": "Guess"})"), "\"Guess\"");
  expect_error(step("post_processor", R"({"type": "Guess"})"), "\"Guess\"");
  expect_error(step("decoder", R"({"type": "Guess"})"), "\"Guess\"");
  expect_error(step("decoder", R"({})"), "type");
  expect_error(step("decoder", R"([])"), "decoder");
  expect_error(step("decoder", R"({"type": "Sequence", "decoders": [{"type": "X"}]})"), "decoder.decoders[0]");
  expect_error(step("decoder", R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})"), "one character");
  expect_error(step("decoder", R"({"type": "Strip", "content": "a", "start": -1, "stop": 0})"), "start");
  expect_error(step("decoder", R"({"type": "Strip", "content": "a", "start": 1e30, "stop": 0})"), "start");
  expect_error(step("pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"})"), "(");
  expect_error(step("pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "[a"}, "behavior": "Isolated"})"), "[a");
  expect_error(step("pre_tokenizer", R"({"type": "Split", "pattern": {}, "behavior": "Isolated"})"), "pattern");
  expect_error(step("pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "X"})"), "behavior");
  expect_error(step("normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "/////w=="})"), "charsmap");
  expect_error(step("normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "*"})"), "base64");
  expect_error(step("post_processor", R"({"type": "BertProcessing", "sep": ["x", 99], "cls": ["y", 0]})"), "99");
  expect_error(step("post_processor", R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}],
                                         "special_tokens": {}})"),
               "has no \"x\"");
}

TEST(HostileTokenizer, NestingIsLimited) {
  std::string sequence = R"({"type": "NFC"})";
  for (int i = 0; i < 100; ++i) sequence = fmt::format(R"({{"type": "Sequence", "normalizers": [{}]}})", sequence);
  expect_error(bpe(kVocabulary, "[]", R"(, "normalizer": )" + sequence), "nested");
  expect_error(std::string(1 << 20, '['), "nested");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += R"({"a":)";
  expect_error(objects, "nested");
}

TEST(HostileTokenizer, BrokenJsonIsRefused) {
  for (const char* json :
       {"", "{", "[]", "3", "null", R"({"model": 3})", R"({"model": null})", R"({"model": {"type": "BPE"}})",
        R"({"model": {}, "model": {}})", "{\"model\": {\"vocab\": {\"\xff\": 0}}}", R"({"a": "\ud800"})",
        R"({"model": {"type": "Guess", "vocab": {"a": 0}}})"}) {
    EXPECT_THAT(error_of_json(json), HasSubstr("tokenizer.json")) << json;
  }
  EXPECT_THAT(error_of([] { Tokenizer::load("/nonexistent/model"); }), HasSubstr("tokenizer.json"));
}

TEST(HostileTokenizer, AnExpressionThatBacktracksWithoutBoundEndsInAnError) {
  for (const char* expression : {"(a+)+$", "(a|aa)+$", "(.*)*x", "(a*)*b"}) {
    const auto json = bpe(kVocabulary, "[]",
                          fmt::format(R"(, "pre_tokenizer": {{"type": "Split", "pattern": {{"Regex": "{}"}},
                                         "behavior": "Isolated", "invert": false}})",
                                      expression));
    const Tokenizer tokenizer = Tokenizer::parse(json, "tokenizer.json");
    const auto begin = std::chrono::steady_clock::now();
    error_of([&] { tokenizer.encode(std::string(5000, 'a') + "b\n"); });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << expression;
  }
}

TEST(HostileTokenizer, ReplacementsMayNotMultiplyATextWithoutEnd) {
  const std::string step = R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"})";
  std::string steps = step;
  for (int i = 1; i < 12; ++i) steps += ", " + step;
  const auto normalizing = Tokenizer::parse(
      bpe(kVocabulary, "[]", fmt::format(R"(, "normalizer": {{"type": "Sequence", "normalizers": [{}]}})", steps)),
      "tokenizer.json");
  EXPECT_THAT(error_of([&] { normalizing.encode("a"); }), AllOf(HasSubstr("tokenizer.json"), HasSubstr("grow")));
  EXPECT_EQ(normalizing.encode("b").size(), 1u);
  const auto decoding = Tokenizer::parse(
      bpe(kVocabulary, "[]", fmt::format(R"(, "decoder": {{"type": "Sequence", "decoders": [{}]}})", steps)),
      "tokenizer.json");
  const int32_t a = 0, b = 1;
  EXPECT_THAT(error_of([&] { decoding.decode({&a, 1}); }), AllOf(HasSubstr("tokenizer.json"), HasSubstr("grow")));
  EXPECT_EQ(decoding.decode({&b, 1}), "b");
}

TEST(HostileTokenizer, BytesThatAreNoTextBecomeTheReplacementCharacter) {
  const Tokenizer tokenizer = Tokenizer::parse(bpe(R"({"a": 0, "�": 1})"), "x");
  EXPECT_EQ(tokenizer.encode("a\xff"
                             "a"),
            (std::vector<int32_t>{0, 1, 0}));
  EXPECT_EQ(tokenizer.encode("\xe4\xbd"), (std::vector<int32_t>{1}));            // cut off: one
  EXPECT_EQ(tokenizer.encode("\xed\xa0\x80"), (std::vector<int32_t>{1, 1, 1}));  // a surrogate: one a byte
  EXPECT_EQ(tokenizer.encode("\xc0\x80"), (std::vector<int32_t>{1, 1}));         // overlong
  EXPECT_EQ(tokenizer.encode("\xf0\x9f\xa6"
                             "a"),
            (std::vector<int32_t>{1, 0}));
}

TEST(HostileTokenizer, IdsWithoutATokenAreLeftOut) {
  const Tokenizer tokenizer = Tokenizer::parse(bpe(kVocabulary), "x");
  const std::vector<int32_t> ids = {0, -1, 5000, INT32_MAX, INT32_MIN, 1};
  EXPECT_EQ(tokenizer.decode(ids), "a b");
  EXPECT_THAT(error_of([&] { tokenizer.token_of(7); }), HasSubstr("7"));
}

}  // namespace
}  // namespace octet
