#include "text/metaspace.h"

#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(const StepJson& json) : options_(json) {}

  void apply(Pieces& pieces) const override {
    std::string text;
    text.reserve(pieces.text.size() + pieces.text.size() / 2);
    for (size_t i = 0; i < pieces.ranges.size(); ++i) {
      const size_t begin = text.size();
      append(pieces[pieces.ranges[i]], i == 0 && pieces.at_start, text);
      pieces.ranges[i] = {begin, text.size()};
    }
    pieces.replace(std::move(text));
    if (!options_.split) return;
    const std::string& mark = options_.replacement;
    cut_pieces(pieces, SplitBehavior::kMergedWithNext, false, [&](std::string_view piece, std::vector<Range>& marks) {
      for (size_t at = piece.find(mark); at != piece.npos; at = piece.find(mark, at + mark.size())) {
        marks.push_back({at, at + mark.size()});
      }
    });
  }

 private:
  void append(std::string_view piece, bool at_start, std::string& out) const {
    using Prepend = Metaspace::Prepend;
    const std::string& mark = options_.replacement;
    const bool marked = !piece.empty() && (piece[0] == ' ' || piece.substr(0, mark.size()) == mark);
    const bool wanted = options_.prepend == Prepend::kAlways || (options_.prepend == Prepend::kFirst && at_start);
    if (wanted && !marked) out += mark;
    for (size_t at = 0; at < piece.size();) {
      const size_t space = std::min(piece.find(' ', at), piece.size());
      out += piece.substr(at, space - at);
      if (space < piece.size()) out += mark;
      at = space + 1;
    }
  }

  Metaspace options_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_metaspace_pre_tokenizer(const StepJson& json) {
  return std::make_unique<MetaspacePreTokenizer>(json);
}

}  // namespace octet
