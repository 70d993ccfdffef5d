#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "text/pair_table.h"

namespace octet {

/// The merges of a byte-pair encoding: which two tokens join, in which order of preference, into what.
class MergeTable {
 public:
  static constexpr uint32_t kNone = PairTable::kNone;

  explicit MergeTable(size_t merges = 0) : ranks_(merges) { rules_.reserve(merges); }

  /// Ranks are given in the order of the calls.
  void add(int32_t left, int32_t right, int32_t result) {
    ranks_.set(left, right, static_cast<uint32_t>(rules_.size()));
    rules_.push_back({left, right, result});
  }
  uint32_t rank(int32_t left, int32_t right) const { return ranks_.get(left, right); }  ///< kNone: they do not join
  int32_t result(uint32_t rank) const { return rules_[rank].result; }
  std::pair<int32_t, int32_t> pair(uint32_t rank) const { return {rules_[rank].left, rules_[rank].right}; }
  uint32_t size() const { return static_cast<uint32_t>(rules_.size()); }

  /// Joins ids[from …] in place until no pair joins: lowest rank first, of equal ranks the leftmost. O(n log n).
  void merge(std::vector<int32_t>& ids, size_t from) const;

 private:
  void merge_few(std::vector<int32_t>& ids, size_t from) const;
  void merge_many(std::vector<int32_t>& ids, size_t from) const;

  PairTable ranks_;
  struct Rule {
    int32_t left, right, result;
  };
  std::vector<Rule> rules_;  // by rank
};

}  // namespace octet
