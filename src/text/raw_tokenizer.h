#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/vocabulary.h"

namespace octet {

/// tokenizer.json as read: the vocabulary and the merges flat, because they are large, the small rest as JSON.
struct RawTokenizer {
  struct Merge {
    uint32_t begin, left_size, right_size;  ///< both tokens stand together in merge_text
  };

  Json rest;         ///< without model.vocab and model.merges
  std::string text;  ///< all tokens of the vocabulary
  std::vector<Vocabulary::Entry> vocabulary;
  bool vocabulary_has_scores = false;  ///< model.vocab is a list of [token, score]
  std::string merge_text;
  std::vector<Merge> merges;
  std::string where;

  std::string_view left(const Merge& m) const { return std::string_view(merge_text).substr(m.begin, m.left_size); }
  std::string_view right(const Merge& m) const {
    return std::string_view(merge_text).substr(m.begin + m.left_size, m.right_size);
  }
};

/// Reads tokenizer.json in one pass. Throws Error naming `where` and the key on JSON that is broken, nested deeper than
/// 256 levels, has a key twice, or gives vocabulary or merges in another form than the tokenizers library writes.
RawTokenizer read_raw_tokenizer(std::string_view json, const std::string& where);

}  // namespace octet
