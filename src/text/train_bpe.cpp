#include "text/train_bpe.h"

#include <queue>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/pair_table.h"
#include "text/split_behavior.h"
#include "text/vocabulary.h"
#include "text/word_counts.h"

namespace octet {
namespace {

constexpr int64_t kMostTokens = 1 << 24;
constexpr int64_t kBytes = 256;

void check(const BpeOptions& options) {
  const int64_t least = kBytes + static_cast<int64_t>(options.special_tokens.size());
  if (options.vocabulary_size < least || options.vocabulary_size > kMostTokens) {
    fail("a vocabulary of {} tokens cannot be: {} bytes and special tokens need {}, and {} are the most",
         options.vocabulary_size, kBytes, least, kMostTokens);
  }
  std::string characters;
  for (int byte = 0; byte < kBytes; ++byte) {
    characters.clear();
    append_byte_characters(characters, std::string(1, static_cast<char>(byte)));
    for (const std::string& token : options.special_tokens) {
      if (token == characters) fail("{} cannot be a special token: it is the character of a byte", shown(token));
    }
  }
  for (size_t i = 0; i < options.special_tokens.size(); ++i) {
    const std::string& token = options.special_tokens[i];
    if (token.empty()) fail("a special token cannot be empty");
    for (size_t j = 0; j < i; ++j) {
      if (options.special_tokens[j] == token) fail("the special token {} is given twice", shown(token));
    }
  }
}

/// Words as tokens, one after another; a word shrinks in place.
struct Words {
  std::vector<int32_t> tokens;
  std::vector<uint64_t> begins;
  std::vector<uint32_t> sizes;
  std::vector<int64_t> counts;
};

struct Pair {
  int32_t left, right;
  int64_t count = 0;
  std::vector<uint32_t> words;  // where it stands, or stood
};

/// `count` more (or fewer) of a pair in a word.
struct Change {
  int32_t left, right;
  uint32_t word;
  int64_t count;
};

struct Candidate {
  int64_t count;
  int32_t left, right;
  bool operator<(const Candidate& other) const {  // the best one is the largest
    if (count != other.count) return count < other.count;
    return left != other.left ? left > other.left : right > other.right;
  }
};

class Trainer {
 public:
  Trainer(const BpeOptions& options, Threads& threads, const BpeProgress& progress)
      : threads_(threads), progress_(progress) {
    bpe_.options = options;
  }

  TrainedBpe run(const WordCounts& counts) {
    make_alphabet();
    split(counts);
    count_pairs();
    while (static_cast<int64_t>(bpe_.tokens.size()) < bpe_.options.vocabulary_size) {
      const uint32_t best = next();
      if (best == PairTable::kNone) break;
      join(best);
      if (progress_.joined) progress_.joined();
    }
    return std::move(bpe_);
  }

 private:
  void add_token(std::string token) {
    ids_.emplace(token, static_cast<int32_t>(bpe_.tokens.size()));
    bpe_.tokens.push_back(std::move(token));
  }

  void make_alphabet() {
    for (const std::string& token : bpe_.options.special_tokens) add_token(token);
    std::vector<std::pair<char32_t, uint8_t>> alphabet;
    for (int byte = 0; byte < kBytes; ++byte) {
      alphabet.emplace_back(byte_character(static_cast<uint8_t>(byte)), static_cast<uint8_t>(byte));
    }
    std::sort(alphabet.begin(), alphabet.end());
    for (const auto& [character, byte] : alphabet) {
      token_of_byte_[byte] = static_cast<int32_t>(bpe_.tokens.size());
      std::string text;
      append_byte_characters(text, std::string(1, static_cast<char>(byte)));
      add_token(std::move(text));
    }
  }

  void split(const WordCounts& counts) {
    for (const WordCounts::Word& word : counts.words()) {
      if (word.size < 2) continue;  // nothing to join
      words_.begins.push_back(words_.tokens.size());
      words_.sizes.push_back(word.size);
      words_.counts.push_back(word.count);
      for (const char c : counts.text(word)) words_.tokens.push_back(token_of_byte_[static_cast<uint8_t>(c)]);
    }
  }

  uint32_t index_of(int32_t left, int32_t right) {
    uint32_t index = table_.get(left, right);
    if (index != PairTable::kNone) return index;
    index = static_cast<uint32_t>(pairs_.size());
    pairs_.push_back({left, right});
    table_.set(left, right, index);
    return index;
  }

  void apply(const Change& change) {
    const uint32_t index = index_of(change.left, change.right);
    Pair& pair = pairs_[index];
    pair.count += change.count;
    if (change.count < 0) return;
    if (pair.words.empty() || pair.words.back() != change.word) pair.words.push_back(change.word);
    grown_.push_back(index);
  }

  void queue_grown() {
    std::sort(grown_.begin(), grown_.end());
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const uint32_t index : grown_) {
      const Pair& pair = pairs_[index];
      if (pair.count > 0) queue_.push({pair.count, pair.left, pair.right});
    }
    grown_.clear();
  }

  void count_pairs() {
    for (uint32_t word = 0; word < words_.sizes.size(); ++word) {
      const int32_t* at = words_.tokens.data() + words_.begins[word];
      for (uint32_t i = 0; i + 1 < words_.sizes[word]; ++i) {
        apply({at[i], at[i + 1], word, words_.counts[word]});
      }
      if (grown_.size() > (1u << 20)) queue_grown();
    }
    queue_grown();
  }

  // Counts in the queue are what they were when the pair was put there, so they are never too small: the first one
  // that is still right is the largest.
  uint32_t next() {
    while (!queue_.empty()) {
      const Candidate top = queue_.top();
      queue_.pop();
      const uint32_t index = table_.get(top.left, top.right);
      const int64_t count = pairs_[index].count;
      if (count < std::max<int64_t>(1, bpe_.options.min_frequency)) continue;
      if (count == top.count) return index;
      if (count < top.count) queue_.push({count, top.left, top.right});
    }
    return PairTable::kNone;
  }

  int32_t joined_token(const Pair& pair) {
    std::string text = bpe_.tokens[static_cast<size_t>(pair.left)] + bpe_.tokens[static_cast<size_t>(pair.right)];
    const auto known = ids_.find(text);
    if (known != ids_.end()) return known->second;
    add_token(std::move(text));
    return static_cast<int32_t>(bpe_.tokens.size()) - 1;
  }

  // The pair's places in one word become `token`, from left to right.
  void join_in_word(uint32_t word, int32_t left, int32_t right, int32_t token, std::vector<Change>& changes) {
    int32_t* const at = words_.tokens.data() + words_.begins[word];
    const uint32_t size = words_.sizes[word];
    const int64_t count = words_.counts[word];
    uint32_t to = 0;
    for (uint32_t from = 0; from < size; ++from, ++to) {
      if (at[from] != left || from + 1 == size || at[from + 1] != right) {
        at[to] = at[from];
        continue;
      }
      if (to > 0) {
        changes.push_back({at[to - 1], left, word, -count});
        changes.push_back({at[to - 1], token, word, count});
      }
      ++from;
      if (from + 1 < size) {
        changes.push_back({right, at[from + 1], word, -count});
        changes.push_back({token, at[from + 1], word, count});
      }
      at[to] = token;
    }
    words_.sizes[word] = to;
  }

  void join(uint32_t index) {
    const int32_t left = pairs_[index].left, right = pairs_[index].right;
    const int32_t token = joined_token(pairs_[index]);
    bpe_.merges.emplace_back(left, right);
    std::vector<uint32_t> words = std::move(pairs_[index].words);
    pairs_[index].words.clear();
    std::sort(words.begin(), words.end());  // two threads must not meet in one word
    words.erase(std::unique(words.begin(), words.end()), words.end());

    constexpr int64_t kGrain = 2048;
    const auto n = static_cast<int64_t>(words.size());
    std::vector<std::vector<Change>> parts(static_cast<size_t>((n + kGrain - 1) / kGrain));
    threads_.for_range(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t part = begin; part < end; ++part) {
        for (int64_t i = part * kGrain; i < std::min(n, (part + 1) * kGrain); ++i) {
          join_in_word(words[static_cast<size_t>(i)], left, right, token, parts[static_cast<size_t>(part)]);
        }
      }
    });
    for (const auto& part : parts) {
      for (const Change& change : part) apply(change);
    }
    pairs_[index].count = 0;  // what overlapped (aaa) was counted twice
    queue_grown();
  }

  Threads& threads_;
  const BpeProgress& progress_;
  TrainedBpe bpe_;
  std::array<int32_t, kBytes> token_of_byte_{};
  std::unordered_map<std::string, int32_t> ids_;
  Words words_;
  std::vector<Pair> pairs_;
  PairTable table_;
  std::vector<uint32_t> grown_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

TrainedBpe train_bpe(std::span<const std::string_view> texts, const BpeOptions& options, Threads& threads,
                     const BpeProgress& progress) {
  check(options);
  const Pattern pattern = Pattern::regex(options.pattern.empty() ? kGpt2Pattern : options.pattern, "--pattern");
  const auto split = [&](std::string_view text, std::vector<Range>& words) {
    std::vector<Range> matches;
    pattern.find_all(text, matches);
    cut({0, text.size()}, matches, SplitBehavior::kIsolated, false, words);
  };
  const WordCounts counts = count_words(texts, options.special_tokens, split, threads, progress.counted);
  if (counts.words().empty()) fail("there is no text to make a vocabulary from: every file is empty");
  return Trainer(options, threads, progress).run(counts);
}

}  // namespace octet
