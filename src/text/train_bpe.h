#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/threads.h"

namespace octet {

struct BpeOptions {
  int64_t vocabulary_size = 0;  ///< tokens, the special ones and the 256 bytes among them
  int64_t min_frequency = 2;    ///< pairs that occur less often are not joined
  std::vector<std::string> special_tokens = {"<|endoftext|>"};  ///< the first ids, in this order
  std::string pattern;  ///< what cuts text into words, in Oniguruma's syntax; empty: GPT-2's
};

/// A byte-level vocabulary, as text of the 256 byte characters.
struct TrainedBpe {
  BpeOptions options;
  std::vector<std::string> tokens;                  ///< by id
  std::vector<std::pair<int32_t, int32_t>> merges;  ///< by rank
};

/// What is told while a vocabulary is made: words counted in so many more bytes (from any thread), then one more token.
struct BpeProgress {
  std::function<void(size_t bytes)> counted;
  std::function<void()> joined;
};

/// Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909; Radford et al. 2019): the most frequent pair
/// of neighbouring tokens becomes a token, of equally frequent ones the pair of the smallest ids, as the trainer of the
/// tokenizers library has it; until the vocabulary is full or no pair occurs often enough. The same for any number of
/// threads. Throws Error on options that cannot be, and on an empty text.
TrainedBpe train_bpe(std::span<const std::string_view> texts, const BpeOptions& options, Threads& threads,
                     const BpeProgress& progress = {});

/// tokenizer.json as the tokenizers library loads it.
std::string tokenizer_json(const TrainedBpe& bpe);

/// tokenizer_config.json for Transformers: which of the special tokens begin, end and fill up a text, by their usual
/// names (<s>, <bos>, </s>, <eos>, <pad>, [PAD], <unk>, [UNK]); <|endoftext|> both begins and ends where nothing else
/// does.
std::string tokenizer_config_json(const TrainedBpe& bpe);

}  // namespace octet
