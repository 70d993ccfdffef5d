#include "text/cleaning.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "text/normalizer.h"
#include "text/step_json.h"
#include "text/stop_words.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr std::string_view kNames[] = {"none", "english", "chinese"};

// Letters, digits and apostrophes go on with a word; an apostrophe before one is its own (rock 'n' roll).
constexpr std::string_view kNotBehindWord = R"((?<![\p{L}\p{N}'’]))", kNotBeforeWord = R"((?![\p{L}\p{N}'’]))";
constexpr std::string_view kPunctuation = R"([\p{P}\p{S}&&[^'’]]|(?<!\p{L})['’]|['’](?!\p{L}))";

void append_literal(std::string& expression, std::string_view word) {
  for (const char c : word) {
    if (std::strchr("\\^$.|?*+()[]{}-&", c) && c != '\0') expression += '\\';
    expression += c;
  }
}

// One of the words, the longest first.
std::string any_of(std::vector<std::string> words) {
  std::stable_sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  std::string expression;
  for (const std::string& word : words) {
    if (word.empty()) fail("a stop word cannot be empty");
    if (!expression.empty()) expression += '|';
    append_literal(expression, word);
  }
  return expression;
}

std::string stop_word_expression(const CleaningOptions& options) {
  std::span<const std::string_view> list;
  if (options.stop_words == StopWords::english) list = english_stop_words();
  if (options.stop_words == StopWords::chinese) list = chinese_stop_words();
  std::vector<std::string> words(list.begin(), list.end());
  words.insert(words.end(), options.more_stop_words.begin(), options.more_stop_words.end());
  if (words.empty()) return {};
  const std::string any = any_of(std::move(words));
  if (options.stop_words == StopWords::chinese) return any;
  return fmt::format("{}(?i:{}){}", kNotBehindWord, any, kNotBeforeWord);
}

Json replace(std::string_view expression, std::string_view content) {
  return {{"type", "Replace"}, {"pattern", {{"Regex", expression}}}, {"content", content}};
}

Json normalizer_of(const CleaningOptions& options) {
  Json steps = Json::array();
  if (options.lower_case) steps.push_back({{"type", "Lowercase"}});
  if (const std::string words = stop_word_expression(options); !words.empty()) steps.push_back(replace(words, ""));
  if (options.strip_punctuation) steps.push_back(replace(kPunctuation, " "));
  if (options.split_characters) {
    steps.push_back({{"type", "BertNormalizer"},
                     {"clean_text", false},
                     {"handle_chinese_chars", true},
                     {"strip_accents", false},
                     {"lowercase", false}});
  }
  if (options.collapse_spaces) {
    steps.push_back(replace(R"(\s+)", " "));
    steps.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
  }
  if (steps.empty()) return nullptr;
  return {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

}  // namespace

StopWords stop_words_named(std::string_view name) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) {
    throw UsageError(
        fmt::format("{} is no list of stop words; the names are {}", printable(name, 40), fmt::join(kNames, ", ")));
  }
  return static_cast<StopWords>(found - std::begin(kNames));
}

std::string_view name_of(StopWords words) {
  return kNames[static_cast<size_t>(words)];
}

std::string cleaning_normalizer(const CleaningOptions& options) {
  return normalizer_of(options).dump();
}

struct TextCleaner::Parts {
  std::unique_ptr<Normalizer> normalizer;
};

TextCleaner::TextCleaner(const CleaningOptions& options) : parts_(std::make_unique<Parts>()) {
  const Json json = normalizer_of(options);
  if (!json.is_null()) parts_->normalizer = make_normalizer(StepJson{json, "text cleaning"});
}

TextCleaner::~TextCleaner() = default;
TextCleaner::TextCleaner(TextCleaner&&) noexcept = default;
TextCleaner& TextCleaner::operator=(TextCleaner&&) noexcept = default;

std::string TextCleaner::clean(std::string_view text) const {
  std::string cleaned = to_valid_utf8(text);
  if (parts_->normalizer) parts_->normalizer->apply(cleaned);
  return cleaned;
}

}  // namespace octet
