#include "train/data.h"

#include <gtest/gtest.h>

#include <set>

#include "base/errors_for_tests.h"
#include "text/train_word_level.h"

namespace octet::train {
namespace {

class Data : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, std::string_view text) {
    write_bytes(directory_ / name, text);
    return directory_ / name;
  }
  std::vector<Document> read(const std::string& name, std::string_view text, const DataOptions& options = {}) {
    return read_documents(write(name, text), options);
  }
  void refuses(const std::string& name, std::string_view text, const DataOptions& options,
               std::initializer_list<std::string_view> parts) {
    const auto file = write(name, text);
    expect_error([&] { read_documents(file, options); }, parts);
  }

  TemporaryDirectory directory_;
};

std::vector<std::string> texts_of(const std::vector<Document>& documents) {
  std::vector<std::string> texts;
  for (const Document& document : documents) texts.push_back(document.text);
  return texts;
}

std::vector<int32_t> labels_of(const std::vector<Document>& documents) {
  std::vector<int32_t> labels;
  for (const Document& document : documents) labels.push_back(document.label);
  return labels;
}

using Texts = std::vector<std::string>;

TEST_F(Data, ReadsTextWholeByParagraphsAndByLines) {
  const std::string text = "\xef\xbb\xbfone\ntwo\r\n\r\n \n three\n\n";
  EXPECT_EQ(texts_of(read("a.txt", text)), Texts{"one\ntwo\r\n\r\n \n three\n\n"});
  const auto paragraphs = read("a.txt", text, {.format = DataFormat::paragraphs});
  EXPECT_EQ(texts_of(paragraphs), (Texts{"one\ntwo", " three"}));
  EXPECT_EQ(paragraphs[1].line, 5);
  EXPECT_EQ(texts_of(read("a.txt", text, {.format = DataFormat::lines})), (Texts{"one", "two", " three"}));
}

TEST_F(Data, ReadsJsonl) {
  const std::string text = "{\"text\": \"a\\nb\", \"label\": 1}\n\n{\"label\": \"bad\", \"text\": \"c\"}";
  EXPECT_EQ(texts_of(read("a.jsonl", text)), (Texts{"a\nb", "c"}));
  const DataOptions options{.labels = true, .label_names = {"bad", "good"}};
  EXPECT_EQ(labels_of(read("a.jsonl", text, options)), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(texts_of(read("b.jsonl", "{\"body\": \"x\"}", {.text_field = "body"})), Texts{"x"});
}

TEST_F(Data, ReadsTablesWithAndWithoutNamesOfColumns) {
  const DataOptions numbers{.labels = true};
  const auto sst = read("a.tsv", "sentence\tlabel\na fine film \t1\nbad\t0\n", numbers);
  EXPECT_EQ(texts_of(sst), (Texts{"a fine film ", "bad"}));
  EXPECT_EQ(labels_of(sst), (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(sst[1].line, 3);

  const DataOptions names{.labels = true, .label_names = {"negative", "positive"}};
  const auto chn = read("b.tsv", "很好\tpositive\n不好\tnegative", names);
  EXPECT_EQ(texts_of(chn), (Texts{"很好", "不好"}));
  EXPECT_EQ(labels_of(chn), (std::vector<int32_t>{1, 0}));

  const DataOptions named{.text_field = "review", .label_field = "stars", .labels = true};
  const auto wide = read("c.tsv", "stars\tid\treview\n2\t7\tgood\n", named);
  EXPECT_EQ(texts_of(wide), Texts{"good"});
  EXPECT_EQ(labels_of(wide), std::vector<int32_t>{2});

  EXPECT_EQ(texts_of(read("d.tsv", "text\tlabel\nx\ty\n")), Texts{"x"});
  EXPECT_EQ(texts_of(read("e.tsv", "first\nsecond\n")), (Texts{"first", "second"}));
}

TEST_F(Data, RefusesWhatIsMissingOrOutOfRange) {
  expect_error([&] { read_documents(directory_ / "none.txt", {}); }, {"none.txt"});
  refuses("a.txt", "", {}, {"a.txt: is empty"});
  refuses("a.txt", std::string_view("text\0", 5), {}, {"a.txt", "zero bytes"});
  refuses("a.txt", " \n\t\n", {}, {"a.txt", "no document"});
  refuses("a.txt", "x", {.labels = true}, {"a.txt", "JSONL and TSV"});
  refuses("a.tsv", "x\ty\n", {.labels = true}, {"a.tsv", "no document", "names the columns"});
  const DataOptions two{.labels = true, .classes = 2};
  refuses("a.tsv", "x\t1\ny\t2\n", two, {"a.tsv:2", "label 2", "0 to 1"});
  refuses("a.tsv", "x\t1\ny\t-1\n", two, {"a.tsv:2", "label -1"});
  refuses("a.tsv", "x\t1\ny\tone\n", two, {"a.tsv:2", "one", "label_names"});
  refuses("a.tsv", "x\t1\ny\t99999999999999999999\n", two, {"a.tsv:2"});
  refuses("a.tsv", "x\tgood\nx\tugly\n", {.labels = true, .label_names = {"bad", "good"}},
          {"a.tsv:2", "ugly", "bad, good"});
  refuses("a.tsv", "x\t1\n \t0\n", two, {"a.tsv:2", "empty"});
  refuses("a.tsv", "x\t1\nx\ty\t0\n", two, {"a.tsv:2", "3 columns", "2"});
  refuses("a.tsv", "x\n", two, {"a.tsv:1", "one column"});
  refuses("a.jsonl", "{\"text\": \"x\"}\n{\"text\": 3}", {}, {"a.jsonl:2", "text", "3"});
  refuses("a.jsonl", "{\"text\": \"x\"", {}, {"a.jsonl:1"});
  refuses("a.jsonl", "[]", {}, {"a.jsonl:1", "not an object"});
  refuses("a.jsonl", "{\"body\": \"x\"}", {}, {"a.jsonl:1", "\"text\""});
  refuses("a.jsonl", "{\"text\": \"\"}", {}, {"a.jsonl:1", "empty"});
  refuses("a.jsonl", "{\"text\": \"x\", \"label\": 0.5}", two, {"a.jsonl:1", "0.5"});
  refuses("a.jsonl", "{\"text\": \"x\", \"label\": 7}", two, {"a.jsonl:1", "label 7"});
  refuses("a.jsonl", "{\"text\": \"x\", \"label\": true}", two, {"a.jsonl:1", "true", "no whole number"});
  refuses("a.jsonl", "{\"text\": \"x\"}", two, {"a.jsonl:1", "\"label\""});
  expect_error([] { data_format_named("csv"); }, {"csv", "jsonl, tsv"});
}

TEST_F(Data, RefusesColumnsThatATableLacks) {
  const std::string_view table = "id\treview\tscore\n1\tfine\t0\n";
  DataOptions options{.text_field = "reviw", .label_field = "score", .text_field_given = true, .labels = true};
  refuses("a.tsv", table, options, {"a.tsv: there is no column \"reviw\"; the columns are id, review, score"});
  refuses("a.tsv", "1\tfine\t0\n", options, {"no column \"reviw\"", "1, fine, 0"});
  options.labels = false;
  refuses("a.tsv", table, options, {"no column \"reviw\""});
  options = {.text_field = "review", .label_field = "scoer", .label_field_given = true, .labels = true};
  refuses("a.tsv", table, options, {"no column \"scoer\"; the columns are id, review, score"});
  options.label_field = "score";
  EXPECT_EQ(texts_of(read("a.tsv", table, options)), Texts{"fine"});
  options.labels = false;
  options.label_field = "scoer";  // not looked at
  EXPECT_EQ(texts_of(read("a.tsv", table, options)), Texts{"fine"});
}

TEST_F(Data, NamesAreReadBack) {
  for (const DataFormat format : {DataFormat::automatic, DataFormat::paragraphs, DataFormat::tsv}) {
    EXPECT_EQ(data_format_named(name_of(format)), format);
  }
  EXPECT_EQ(side_named("left"), Side::left);
}

Tokenizer words_of(const std::vector<Document>& documents, Threads& threads) {
  const Texts texts = texts_of(documents);
  return Tokenizer::parse(
      train_word_level(std::vector<std::string_view>(texts.begin(), texts.end()), WordLevelOptions{}, threads), "test");
}

TEST_F(Data, EncodesDocumentsInTheirOrder) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += fmt::format("w{} w{}\n", i, i + 1);
  const auto documents = read("a.txt", text, {.format = DataFormat::lines});
  Threads one(1), three(3);
  const Tokenizer tokenizer = words_of(documents, one);
  const auto tokens = encode_documents(tokenizer, documents, 0, one);
  EXPECT_EQ(tokens, encode_documents(tokenizer, documents, 0, three));
  ASSERT_EQ(tokens.size(), 600u);
  for (size_t i = 0; i < 200; ++i) {
    EXPECT_EQ(tokenizer.token_of(tokens[3 * i]), fmt::format("w{}", i));
    EXPECT_EQ(tokens[3 * i + 2], 0);
  }
  EXPECT_EQ(encode_documents(tokenizer, documents, -1, one).size(), 400u);
}

TEST(Order, IsAPermutationThatDependsOnSeedAndEpoch) {
  const auto order = shuffled(1000, 5, 0);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
  EXPECT_EQ(shuffled(1000, 5, 0), order);
  EXPECT_NE(shuffled(1000, 5, 1), order);
  EXPECT_NE(shuffled(1000, 6, 0), order);
  EXPECT_TRUE(shuffled(0, 5, 0).empty());
}

TEST(Order, EveryPlaceIsEquallyLikely) {
  std::map<int64_t, int> first;
  for (uint32_t epoch = 0; epoch < 6000; ++epoch) ++first[shuffled(6, 1, epoch)[0]];
  for (const auto& [value, count] : first) EXPECT_NEAR(count, 1000, 150) << value;
}

TEST(Order, GoesOnFromAnyPosition) {
  ExampleOrder whole(7, 3), resumed(7, 3), plain(7, 3, false);
  std::vector<int64_t> seen;
  for (int64_t i = 0; i < 21; ++i) seen.push_back(whole.at(i));
  for (int64_t i = 20; i >= 9; --i) EXPECT_EQ(resumed.at(i), seen[static_cast<size_t>(i)]);
  for (size_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(std::set<int64_t>(seen.begin() + static_cast<ptrdiff_t>(7 * epoch),
                                seen.begin() + static_cast<ptrdiff_t>(7 * epoch + 7))
                  .size(),
              7u);
  }
  EXPECT_EQ(plain.at(9), 2);
  expect_error([] { ExampleOrder(0, 3); }, {"no examples"});
}

TEST(PackedTokens, BeginsSequencesWithTheTokenOfATextsBeginning) {
  std::vector<int32_t> tokens(24);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i);
  const PackedTokens begun = PackedTokens(tokens, 5).beginning_with(99);
  ASSERT_EQ(begun.size(), 5);  // of 4 tokens each and the one behind
  const auto of = [](std::span<const int32_t> x) { return std::vector<int32_t>(x.begin(), x.end()); };
  EXPECT_EQ(of(begun.inputs(0)), (std::vector<int32_t>{99, 0, 1, 2, 3}));
  EXPECT_EQ(of(begun.targets(0)), (std::vector<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(of(begun.inputs(4)), (std::vector<int32_t>{99, 16, 17, 18, 19}));
  EXPECT_EQ(of(begun.targets(4)), (std::vector<int32_t>{16, 17, 18, 19, 20}));
  EXPECT_EQ(begun.batch(std::vector<int64_t>{1, 2}).inputs[1][1], 8);
}

TEST(PackedTokens, EveryTokenButTheFirstIsATargetOnce) {
  std::vector<int32_t> tokens(24);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i);
  const PackedTokens packed(tokens, 5);
  ASSERT_EQ(packed.size(), 4);
  int32_t next = 1;
  for (int64_t i = 0; i < packed.size(); ++i) {
    EXPECT_EQ(packed.inputs(i).size(), 5u);
    EXPECT_EQ(packed.inputs(i)[0], next - 1);
    for (const int32_t target : packed.targets(i)) EXPECT_EQ(target, next++);
  }
  EXPECT_EQ(PackedTokens(tokens, 23).size(), 1);
  expect_error([&] { PackedTokens(tokens, 24); }, {"24 tokens", "need 25"});
  expect_error([&] { PackedTokens(tokens, 0); }, {"sequence_length"});
}

class Labelled : public Data {
 protected:
  Threads threads_{2};
  std::vector<Document> documents_ = read("x.tsv", "a b c d e\t1\nf\t0\na b\t1\n", {.labels = true});
  Tokenizer tokenizer_ = words_of(documents_, threads_);

  LabelledExamples examples(const PaddingOptions& options) {
    return {tokenizer_, documents_, options, false, "x.tsv", threads_};
  }
  std::string shown(const PaddingOptions& options, const std::vector<int64_t>& numbers = {0, 1, 2}) {
    std::string text;
    const LabelledExamples found = examples(options);
    for (const auto& ids : found.batch(numbers).inputs) {
      for (const int32_t id : ids) text += id == 0 ? "." : tokenizer_.token_of(id);
      text += " ";
    }
    return text;
  }
};

TEST_F(Labelled, ArePaddedAndCutOnEitherSide) {
  EXPECT_EQ(shown({}), "abcde f ab ");
  EXPECT_EQ(shown({.max_length = 3}), "abc f ab ");
  EXPECT_EQ(shown({.max_length = 3, .truncation_side = Side::left}), "cde f ab ");
  EXPECT_EQ(shown({.max_length = 6, .padding_side = Side::left}), ".abcde .....f ....ab ");
  EXPECT_EQ(shown({}, {2, 1}), "ab f ");
  const LabelledExamples found = examples({.max_length = 3});
  EXPECT_EQ(found.batch(std::vector<int64_t>{0, 1, 2}).targets, (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(found.truncated(), 1);
  EXPECT_EQ(found.longest(), 3);
}

TEST_F(Labelled, RefuseWhatIsTooLongOrHasNoLabel) {
  expect_error([&] { examples({.max_length = 3, .truncate = false}); }, {"x.tsv:1", "5 tokens", "3"});
  expect_error([&] { examples({.max_length = 0}); }, {"max_length"});
  documents_[1].label = -1;
  expect_error([&] { examples({}); }, {"x.tsv:2", "no label"});
}

TEST_F(Labelled, ThatCleaningLeftEmptyArePadded) {
  documents_[1].text = "";
  const LabelledExamples found = examples({});
  EXPECT_EQ(found.without_tokens(), 1);
  EXPECT_EQ(found.ids(1).size(), 1u);
  EXPECT_EQ(found.ids(1)[0], 0);
}

TEST_F(Labelled, KeepSpecialTokensWhenCut) {
  const Tokenizer bert = Tokenizer::parse(R"({"model": {"type": "WordLevel", "unk_token": "u",
      "vocab": {"u": 0, "a": 1, "b": 2, "[CLS]": 3, "[SEP]": 4}}, "pre_tokenizer": {"type": "WhitespaceSplit"},
      "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 4], "cls": ["[CLS]", 3]}})",
                                          "bert");
  const std::vector<Document> documents = {{"a b a b", 0, 1}};
  const LabelledExamples found(bert, documents, {.max_length = 4}, true, "x", threads_);
  EXPECT_EQ(std::vector<int32_t>(found.ids(0).begin(), found.ids(0).end()), (std::vector<int32_t>{3, 1, 2, 4}));
}

TEST_F(Data, ReadsTheSentimentData) {
  const std::filesystem::path data = std::filesystem::path(OCTET_DATA_DIR) / "sentiment";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << data << " is not there";
  EXPECT_EQ(read_documents(data / "sst2" / "test.tsv", {.labels = true, .classes = 2}).size(), 872u);
  EXPECT_EQ(read_documents(data / "sst2" / "dev.tsv", {.labels = true, .classes = 2}).size(), 6735u);
  const DataOptions chinese{.labels = true, .label_names = {"negative", "positive"}};
  const auto documents = read_documents(data / "chnsenticorp" / "train.tsv", chinese);
  EXPECT_GT(documents.size(), 9000u);
  Threads threads(2);
  auto cleaned = documents;
  clean_documents(cleaned, TextCleaner({.stop_words = StopWords::chinese, .split_characters = true}), threads);
  EXPECT_LT(cleaned[0].text.find("珠 "), cleaned[0].text.size());
}

}  // namespace
}  // namespace octet::train
