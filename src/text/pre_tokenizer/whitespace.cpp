#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

/// Runs of word characters and runs of other characters; white space goes.
struct Whitespace : PreTokenizer {
  enum class Kind { kSpace, kWord, kOther };

  static Kind kind(char32_t c) { return is_word(c) ? Kind::kWord : is_whitespace(c) ? Kind::kSpace : Kind::kOther; }

  void apply(Pieces& pieces) const override {
    cut_pieces(pieces, SplitBehavior::kRemoved, true, [](std::string_view text, std::vector<Range>& runs) {
      Kind previous = Kind::kSpace;
      for (size_t at = 0; at < text.size();) {
        const size_t begin = at;
        const Kind now = kind(next_code_point(text, at));
        if (now != Kind::kSpace && now != previous) runs.push_back({begin, at});
        if (now != Kind::kSpace) runs.back().end = at;
        previous = now;
      }
    });
  }
};

struct WhitespaceSplit : PreTokenizer {
  void apply(Pieces& pieces) const override { cut_at_characters(pieces, SplitBehavior::kRemoved, is_whitespace); }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_whitespace(const StepJson&) {
  return std::make_unique<Whitespace>();
}
std::unique_ptr<PreTokenizer> make_whitespace_split(const StepJson&) {
  return std::make_unique<WhitespaceSplit>();
}

}  // namespace octet
