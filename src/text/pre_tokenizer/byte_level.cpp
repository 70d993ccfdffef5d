#include "text/byte_level.h"

#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

/// GPT-2's cutting into words, then bytes as printable characters.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(const StepJson& json) : add_prefix_space_(json.flag("add_prefix_space", true)) {
    if (json.flag("use_regex", true)) words_ = Pattern::regex(kGpt2Pattern, json.where);
  }

  void apply(Pieces& pieces) const override {
    if (add_prefix_space_) prefix(pieces);
    if (words_) {
      cut_pieces(pieces, SplitBehavior::kIsolated, false,
                 [&](std::string_view text, std::vector<Range>& out) { words_->find_all(text, out); });
    }
    std::string text;
    text.reserve(pieces.text.size() + pieces.text.size() / 4);
    for (Range& piece : pieces.ranges) {
      const size_t begin = text.size();
      append_byte_characters(text, pieces[piece]);
      piece = {begin, text.size()};
    }
    pieces.replace(std::move(text));
  }

 private:
  static void prefix(Pieces& pieces) {
    std::string text;
    text.reserve(pieces.text.size() + pieces.ranges.size());
    for (Range& range : pieces.ranges) {
      const std::string_view piece = pieces[range];
      const size_t begin = text.size();
      if (piece.empty() || piece[0] != ' ') text += ' ';
      text += piece;
      range = {begin, text.size()};
    }
    pieces.replace(std::move(text));
  }

  bool add_prefix_space_;
  std::optional<Pattern> words_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_byte_level_pre_tokenizer(const StepJson& json) {
  return std::make_unique<ByteLevelPreTokenizer>(json);
}

}  // namespace octet
