#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

/// Whose stop words are taken away.
enum class StopWords : uint8_t { none, english, chinese };

/// Throws UsageError listing the names: "none", "english", "chinese".
StopWords stop_words_named(std::string_view name);
std::string_view name_of(StopWords words);

/// What is done to a text before it is tokenized, in this order. Everything off: the text stays as it is.
struct CleaningOptions {
  bool lower_case = false;
  /// English: whole words, whatever their case. Chinese: anywhere, of those that begin at a place the longest.
  StopWords stop_words = StopWords::none;
  std::vector<std::string> more_stop_words;  ///< taken away likewise; without a language as English ones are
  bool strip_punctuation = false;  ///< categories P and S become spaces, but for an apostrophe between letters
  bool split_characters = false;   ///< Chinese characters stand alone
  bool collapse_spaces = false;    ///< runs of white space become one space, none at the ends
};

/// The options as the normalizer of a tokenizer.json, which the tokenizers library runs the same way; "null" where
/// everything is off.
std::string cleaning_normalizer(const CleaningOptions& options);

/// Prepared once, used for every document; safe to use from several threads.
class TextCleaner {
 public:
  explicit TextCleaner(const CleaningOptions& options);
  ~TextCleaner();
  TextCleaner(TextCleaner&&) noexcept;
  TextCleaner& operator=(TextCleaner&&) noexcept;
  /// Bytes that are not UTF-8 become U+FFFD.
  std::string clean(std::string_view text) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace octet
