#include "text/vocabulary.h"

#include "base/error.h"
#include "base/escape.h"
#include "text/hash.h"

namespace octet {
namespace {

/// Real vocabularies leave a few ids without a token. More free ids than used ones is damage, and costs memory.
constexpr int64_t largest_id(size_t tokens) {
  return static_cast<int64_t>(tokens) * 2 + 4096;
}

}  // namespace

std::string shown(std::string_view token) {
  return fmt::format("\"{}\"", printable(token, 60));
}

Vocabulary::Vocabulary(std::string text, const std::vector<Entry>& entries, bool repeats, const std::string& where)
    : text_(std::move(text)) {
  const auto token = [&](const Entry& e) { return std::string_view(text_).substr(e.begin, e.size); };
  const int64_t limit = largest_id(entries.size());
  int64_t count = 0;
  for (const Entry& e : entries) {
    if (e.id < 0) fail("{}: model.vocab gives {} the negative id {}", where, shown(token(e)), e.id);
    if (e.id > limit) {
      fail("{}: model.vocab gives {} the id {}, too large for a vocabulary of {} tokens", where, shown(token(e)), e.id,
           entries.size());
    }
    count = std::max(count, e.id + 1);
    longest_ = std::max<size_t>(longest_, e.size);
  }
  spans_.resize(static_cast<size_t>(count));
  slots_.resize(std::bit_ceil(entries.size() * 2 + 2));
  for (const Entry& e : entries) {
    Span& span = spans_[static_cast<size_t>(e.id)];
    if (span.used) {
      fail("{}: model.vocab gives the id {} to both {} and {}", where, e.id,
           shown(std::string_view(text_).substr(span.begin, span.size)), shown(token(e)));
    }
    span.begin = e.begin;
    span.size = e.size & 0x7fffffffu;
    span.used = 1;
    if (!place(static_cast<int32_t>(e.id)) && !repeats) {
      fail("{}: model.vocab has the token {} twice", where, shown(token(e)));
    }
  }
}

bool Vocabulary::place(int32_t id) {
  const std::string_view text = token(id);
  const uint64_t hash = hash_bytes(text);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[at];
    if (slot.id >= 0 && (slot.tag != tag || token(slot.id) != text)) continue;
    const bool is_new = slot.id < 0;
    slot = {tag, id};
    return is_new;
  }
}

int32_t Vocabulary::find(std::string_view token_text) const {
  if (slots_.empty() || token_text.size() > longest_) return -1;
  const uint64_t hash = hash_bytes(token_text);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.id < 0) return -1;
    if (slot.tag == tag && token(slot.id) == token_text) return slot.id;
  }
}

std::string_view Vocabulary::token(int32_t id) const {
  if (!has(id)) return {};
  const Span& span = spans_[static_cast<size_t>(id)];
  return std::string_view(text_).substr(span.begin, span.size);
}

}  // namespace octet
