#include "text/train_word_level.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/unicode.h"
#include "text/word_counts.h"

namespace octet {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kSpecial[] = {"[PAD]", "[UNK]"};

void split_at_white_space(std::string_view text, std::vector<Range>& words) {
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t before = at;
    if (!is_whitespace(next_code_point(text, at))) continue;
    if (begin < before) words.push_back({begin, before});
    begin = at;
  }
  if (begin < text.size()) words.push_back({begin, text.size()});
}

std::vector<std::string> most_frequent(const WordCounts& counts, const WordLevelOptions& options) {
  std::vector<std::pair<int64_t, std::string_view>> words;
  for (const auto& word : counts.words()) {
    if (word.count >= options.min_frequency) words.emplace_back(-word.count, counts.text(word));
  }
  std::sort(words.begin(), words.end());
  const auto most = static_cast<size_t>(options.vocabulary_size) - std::size(kSpecial);
  if (words.size() > most) words.resize(most);
  std::vector<std::string> out(std::begin(kSpecial), std::end(kSpecial));
  for (const auto& [count, word] : words) out.emplace_back(word);
  return out;
}

OrderedJson added_tokens() {
  OrderedJson list = OrderedJson::array();
  for (const char* token : kSpecial) {
    list.push_back({{"id", list.size()},
                    {"content", token},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  return list;
}

}  // namespace

std::string train_word_level(std::span<const std::string_view> texts, const WordLevelOptions& options,
                             Threads& threads) {
  if (options.vocabulary_size <= static_cast<int64_t>(std::size(kSpecial))) {
    fail("a vocabulary of {} tokens cannot be: [PAD] and [UNK] need two, and words come on top",
         options.vocabulary_size);
  }
  const TextCleaner cleaner(options.cleaning);
  std::vector<std::string> cleaned(texts.size());
  threads.for_range(static_cast<int64_t>(texts.size()), 16, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) cleaned[i] = cleaner.clean(texts[i]);
  });
  const std::vector<std::string_view> views(cleaned.begin(), cleaned.end());
  const std::vector<std::string> special(std::begin(kSpecial), std::end(kSpecial));
  const WordCounts counts = count_words(views, special, split_at_white_space, threads);
  if (counts.words().empty())
    fail("the texts have no word to make a vocabulary from, or cleaning takes all of them away");

  const std::vector<std::string> kept = most_frequent(counts, options);
  if (kept.size() == std::size(kSpecial)) {
    fail("no word stands in the texts {} times, so that all would be [UNK]; a smaller min_frequency keeps some",
         options.min_frequency);
  }

  OrderedJson vocabulary = OrderedJson::object();
  auto& entries = vocabulary.get_ref<OrderedJson::object_t&>();  // its [] looks through all of them
  for (const std::string& word : kept) entries.emplace_back(word, entries.size());
  const OrderedJson json = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added_tokens()},
      {"normalizer", OrderedJson::parse(cleaning_normalizer(options.cleaning))},
      {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
      {"post_processor", nullptr},
      {"decoder", nullptr},
      {"model", {{"type", "WordLevel"}, {"vocab", std::move(vocabulary)}, {"unk_token", "[UNK]"}}}};
  return json.dump(2) + "\n";
}

}  // namespace octet
