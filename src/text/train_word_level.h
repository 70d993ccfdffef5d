#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/threads.h"
#include "text/cleaning.h"

namespace octet {

struct WordLevelOptions {
  int64_t vocabulary_size = 20000;  ///< the most tokens, [PAD] and [UNK] among them
  int64_t min_frequency = 1;        ///< words that occur less often are unknown
  CleaningOptions cleaning;         ///< becomes the tokenizer's normalizer
};

/// A vocabulary of whole words between white space for a classifier: tokenizer.json with the cleaning as normalizer,
/// [PAD] with id 0, [UNK] with id 1 for every other word, then the words from the most frequent on (of equally frequent
/// ones by their bytes). The same for any number of threads. Throws Error where cleaning leaves no word.
std::string train_word_level(std::span<const std::string_view> texts, const WordLevelOptions& options,
                             Threads& threads);

}  // namespace octet
