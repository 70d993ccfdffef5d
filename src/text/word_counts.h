#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/threads.h"
#include "text/pre_tokenizer.h"

namespace octet {

/// How often each word of a text occurs; one flat table.
class WordCounts {
 public:
  struct Word {
    uint64_t begin;
    uint32_t size;
    uint32_t tag;
    int64_t count;
  };

  void add(std::string_view word, int64_t count = 1);
  void add(const WordCounts& other);
  std::span<const Word> words() const { return words_; }
  std::string_view text(const Word& word) const { return std::string_view(text_).substr(word.begin, word.size); }

 private:
  void grow();
  std::string text_;
  std::vector<Word> words_;
  std::vector<uint32_t> slots_;  // index of the word + 1, 0: free
};

/// Appends the words of `text` (valid UTF-8) to `words`.
using SplitWords = std::function<void(std::string_view text, std::vector<Range>& words)>;

/// Counts the words of all texts on all threads, a stretch of about a megabyte at a time, cut at a space between two
/// letters where there is one. What stands in `special` is no part of any word. Bytes that are not UTF-8 count as
/// U+FFFD. The order of the words is not defined; the counts do not depend on the threads. `counted` is told of
/// every stretch that is done, from any thread.
WordCounts count_words(std::span<const std::string_view> texts, std::span<const std::string> special,
                       const SplitWords& split, Threads& threads,
                       const std::function<void(size_t bytes)>& counted = {});

}  // namespace octet
