#pragma once
#include <bit>
#include <cstdint>
#include <vector>

#include "text/hash.h"

namespace octet {

/// Pairs of ids to a number, in one flat table.
class PairTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit PairTable(size_t expected = 0) : slots_(std::bit_ceil(expected * 2 + 16)) {}

  /// Of equal pairs the last one counts.
  void set(int32_t left, int32_t right, uint32_t value) {
    if (used_ * 3 >= slots_.size() * 2) grow();
    Slot& slot = slots_[find(key(left, right))];
    used_ += slot.key == kFree;
    slot = {key(left, right), value};
  }
  uint32_t get(int32_t left, int32_t right) const { return slots_[find(key(left, right))].value; }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Slot {
    uint64_t key = kFree;
    uint32_t value = kNone;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t find(uint64_t key) const {
    size_t at = mix(key, 0) & (slots_.size() - 1);
    while (slots_[at].key != key && slots_[at].key != kFree) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != kFree) slots_[find(slot.key)] = slot;
    }
  }
  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace octet
