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
  StopWords stop_words =
      StopWords::none;  ///< English: whole words, whatever their case; Chinese: anywhere, the longest match first
  bool strip_punctuation = false;  ///< every character of category P or S becomes a space
  bool split_characters = false;   ///< a space around every Chinese character (and Japanese, Korean)
  bool collapse_spaces = false;    ///< runs of white space become one space, none at the ends
  std::vector<std::string> more_stop_words;
};

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
