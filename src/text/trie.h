#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/pair_table.h"

namespace octet {

/// Strings with a number each, walked byte by byte from the front of a text.
class Trie {
 public:
  /// Of equal strings the last one counts.
  void add(std::string_view text, int32_t value) {
    uint32_t node = 0;
    for (const char c : text) {
      uint32_t next = edges_.get(static_cast<int32_t>(node), static_cast<uint8_t>(c));
      if (next == PairTable::kNone) {
        next = static_cast<uint32_t>(values_.size());
        edges_.set(static_cast<int32_t>(node), static_cast<uint8_t>(c), next);
        values_.push_back(-1);
      }
      node = next;
    }
    values_[node] = value;
  }

  /// Calls found(size, value) for each string that `text` begins with, the shortest first.
  template <typename Found>
  void prefixes(std::string_view text, Found found) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = edges_.get(static_cast<int32_t>(node), static_cast<uint8_t>(text[i]));
      if (node == PairTable::kNone) return;
      if (values_[node] >= 0) found(i + 1, values_[node]);
    }
  }

 private:
  PairTable edges_;                     // (node, byte) to node
  std::vector<int32_t> values_ = {-1};  // by node; -1: no string ends here
};

}  // namespace octet
