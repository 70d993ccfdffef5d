#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/hash.h"

namespace octet {

/// The ids of words met before, during one encoding. Bounded: when full it starts anew.
class WordCache {
 public:
  static constexpr size_t kLongestWord = 64;  ///< bytes; longer ones are not worth keeping

  /// Appends the ids of `word` where it is known. `kind` keeps apart words that are encoded by different rules.
  bool find(std::string_view word, uint32_t kind, std::vector<int32_t>& ids) {
    const uint64_t word_hash = hash(word, kind);
    for (size_t at = word_hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[at];
      if (slot.word_size == 0) return false;
      if (slot.tag != static_cast<uint32_t>(word_hash >> 32) || slot.kind != kind || slot.word_size != word.size())
        continue;
      if (std::string_view(words_).substr(slot.word, slot.word_size) != word) continue;
      ids.insert(ids.end(), ids_.begin() + slot.first, ids_.begin() + slot.first + slot.count);
      return true;
    }
  }

  /// Keeps ids[from …] for `word`, which find() just did not find. 0 < word.size() <= kLongestWord.
  void add(std::string_view word, uint32_t kind, const std::vector<int32_t>& ids, size_t from);

 private:
  struct Slot {
    uint32_t tag = 0;
    uint32_t word = 0;  // where it begins in words_
    uint32_t first = 0;
    uint16_t count = 0;
    uint8_t word_size = 0;
    uint8_t kind = 0;
  };
  static uint64_t hash(std::string_view word, uint32_t kind) { return hash_bytes(word) + kind; }
  void grow();

  std::vector<Slot> slots_ = std::vector<Slot>(256);
  size_t used_ = 0;
  std::string words_;
  std::vector<int32_t> ids_;
};

}  // namespace octet
