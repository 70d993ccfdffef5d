#include "text/word_counts.h"

#include "base/error.h"
#include "text/hash.h"
#include "text/unicode.h"

namespace octet {
namespace {

constexpr size_t kStretch = size_t{1} << 20, kSearch = size_t{64} << 10;

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool begins_code_point(char c) {
  return (static_cast<uint8_t>(c) & 0xc0) != 0x80;
}

// Where a stretch that began at 0 ends: before a space between letters, which every usual way to find words cuts at;
// else before a line; else between two characters.
size_t end_of_stretch(std::string_view text) {
  if (text.size() <= kStretch + kSearch) return text.size();
  for (size_t at = kStretch; at < kStretch + kSearch; ++at) {
    if (text[at] == ' ' && is_ascii_letter(text[at - 1]) && is_ascii_letter(text[at + 1])) return at;
  }
  for (size_t at = kStretch; at < kStretch + kSearch; ++at) {
    if (text[at - 1] == '\n' && text[at] != '\n') return at;
  }
  size_t at = kStretch;
  while (at < kStretch + 4 && !begins_code_point(text[at])) ++at;
  return at;
}

void add_stretches(std::string_view text, std::vector<std::string_view>& out) {
  while (!text.empty()) {
    const size_t end = end_of_stretch(text);
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

// The first special token at or behind `from`, of several the longest; `at` is npos where there is none.
struct Found {
  size_t at = std::string_view::npos, size = 0;
};
Found find_special(std::string_view text, std::span<const std::string> special) {
  Found first;
  for (const std::string& token : special) {
    if (token.empty()) continue;
    const size_t at = text.find(token);
    if (at < first.at || (at == first.at && at != text.npos && token.size() > first.size)) first = {at, token.size()};
  }
  return first;
}

void add_sections(std::string_view text, std::span<const std::string> special, std::vector<std::string_view>& out) {
  for (;;) {
    const Found found = find_special(text, special);
    add_stretches(text.substr(0, found.at), out);
    if (found.at == text.npos) return;
    text.remove_prefix(found.at + found.size);
  }
}

/// Tables that threads take and give back; what is in which does not matter, they are summed.
class Pool {
 public:
  std::unique_ptr<WordCounts> take() {
    std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<WordCounts>();
    auto counts = std::move(free_.back());
    free_.pop_back();
    return counts;
  }
  void give(std::unique_ptr<WordCounts> counts) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(counts));
  }
  WordCounts sum() {
    if (free_.empty()) return {};
    WordCounts all = std::move(*free_[0]);
    for (size_t i = 1; i < free_.size(); ++i) all.add(*free_[i]);
    return all;
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCounts>> free_;
};

void count_stretch(std::string_view bytes, const SplitWords& split, WordCounts& counts, std::vector<Range>& words) {
  std::string repaired;
  if (valid_utf8_prefix(bytes) < bytes.size()) {
    repaired = to_valid_utf8(bytes);
    bytes = repaired;
  }
  words.clear();
  split(bytes, words);
  for (const Range word : words) {
    if (!word.empty()) counts.add(bytes.substr(word.begin, word.end - word.begin));
  }
}

}  // namespace

void WordCounts::add(std::string_view word, int64_t count) {
  if (words_.size() * 3 >= slots_.size() * 2) grow();
  const uint64_t hash = hash_bytes(word);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  for (; slots_[at] != 0; at = (at + 1) & mask) {
    Word& known = words_[slots_[at] - 1];
    if (known.tag == tag && known.size == word.size() && text(known) == word) {
      known.count += count;
      return;
    }
  }
  if (words_.size() >= UINT32_MAX - 1) fail("the text has more than {} different words", UINT32_MAX - 1);
  words_.push_back({text_.size(), static_cast<uint32_t>(word.size()), tag, count});
  text_ += word;
  slots_[at] = static_cast<uint32_t>(words_.size());
}

void WordCounts::add(const WordCounts& other) {
  for (const Word& word : other.words_) add(other.text(word), word.count);
}

void WordCounts::grow() {
  slots_.assign(std::max<size_t>(1024, slots_.size() * 2), 0);
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < words_.size(); ++i) {
    size_t at = hash_bytes(text(words_[i])) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = static_cast<uint32_t>(i + 1);
  }
}

WordCounts count_words(std::span<const std::string_view> texts, std::span<const std::string> special,
                       const SplitWords& split, Threads& threads, const std::function<void(size_t bytes)>& counted) {
  std::vector<std::string_view> stretches;
  for (const std::string_view text : texts) add_sections(text, special, stretches);
  Pool pool;
  const auto count = static_cast<int64_t>(stretches.size());
  // Documents may be short: several of them are one piece of work.
  const int64_t grain = std::clamp<int64_t>(count / 256, 1, 64);
  threads.for_range(count, grain, [&](int64_t begin, int64_t end) {
    auto counts = pool.take();
    std::vector<Range> words;
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      count_stretch(stretches[i], split, *counts, words);
      if (counted) counted(stretches[i].size());
    }
    pool.give(std::move(counts));
  });
  return pool.sum();
}

}  // namespace octet
