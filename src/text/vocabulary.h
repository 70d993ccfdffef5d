#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octet {

/// Tokens and their ids, both ways: one text holds all tokens, one flat table finds them.
class Vocabulary {
 public:
  struct Entry {
    uint32_t begin, size;  ///< of the token in the text
    int64_t id;
    double score;  ///< Unigram only
  };

  Vocabulary() = default;

  /// Throws Error naming `where` and the key on an id that is negative, too large for the number of tokens, or given
  /// twice, and on a token given twice unless `repeats`: then the last one is found.
  Vocabulary(std::string text, const std::vector<Entry>& entries, bool repeats, const std::string& where);

  /// The id of a token, or -1.
  int32_t find(std::string_view token) const;

  /// The token of an id; empty where the id has none.
  std::string_view token(int32_t id) const;
  bool has(int32_t id) const { return id >= 0 && id < size() && spans_[static_cast<size_t>(id)].used; }

  int32_t size() const { return static_cast<int32_t>(spans_.size()); }  ///< largest id + 1
  size_t longest() const { return longest_; }                           ///< bytes of the longest token

 private:
  struct Span {
    uint32_t begin = 0;
    uint32_t size : 31 = 0;
    uint32_t used : 1 = 0;
  };
  struct Slot {
    uint32_t tag = 0;
    int32_t id = -1;
  };
  bool place(int32_t id);  // false where the token was there

  std::string text_;
  std::vector<Span> spans_;  // by id
  std::vector<Slot> slots_;
  size_t longest_ = 0;
};

/// A token as it may stand in a message: quoted, escaped, and cut when long.
std::string shown(std::string_view token);

}  // namespace octet
