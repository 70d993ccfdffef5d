#include "text/word_cache.h"

namespace octet {
namespace {

constexpr size_t kMostWords = size_t{1} << 17;

}  // namespace

void WordCache::add(std::string_view word, uint32_t kind, const std::vector<int32_t>& ids, size_t from) {
  const uint64_t word_hash = hash(word, kind);
  if (used_ * 2 >= slots_.size()) grow();
  size_t at = word_hash & (slots_.size() - 1);
  while (slots_[at].word_size != 0) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {static_cast<uint32_t>(word_hash >> 32), static_cast<uint32_t>(words_.size()),
                static_cast<uint32_t>(ids_.size()),     static_cast<uint16_t>(ids.size() - from),
                static_cast<uint8_t>(word.size()),      static_cast<uint8_t>(kind)};
  words_ += word;
  ids_.insert(ids_.end(), ids.begin() + static_cast<ptrdiff_t>(from), ids.end());
  ++used_;
}

void WordCache::grow() {
  if (used_ >= kMostWords) {
    slots_.assign(slots_.size(), {});
    words_.clear();
    ids_.clear();
    used_ = 0;
    return;
  }
  std::vector<Slot> larger(slots_.size() * 4);
  for (const Slot& slot : slots_) {
    if (slot.word_size == 0) continue;
    const uint64_t word_hash = hash(std::string_view(words_).substr(slot.word, slot.word_size), slot.kind);
    size_t at = word_hash & (larger.size() - 1);
    while (larger[at].word_size != 0) at = (at + 1) & (larger.size() - 1);
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

}  // namespace octet
