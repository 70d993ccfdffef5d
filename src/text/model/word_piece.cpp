#include "text/model/list.h"
#include "text/raw_tokenizer.h"
#include "text/unicode.h"

namespace octet {
namespace {

/// WordPiece (Devlin et al. 2018, arXiv:1810.04805): the longest token first, then the longest that continues it;
/// a word with a rest that no token covers is unknown as a whole.
class WordPiece : public Model {
 public:
  WordPiece(const StepJson& json, RawTokenizer& raw)
      : where_(json.where),
        unknown_token_(json.text("unk_token", "[UNK]")),
        prefix_(json.text("continuing_subword_prefix", "##")),
        longest_word_(json.number("max_input_chars_per_word", 100)) {
    if (raw.vocabulary_has_scores) fail("{}: vocab must be an object of tokens and ids", where_);
    if (longest_word_ < 0) fail("{}: max_input_chars_per_word is negative", where_);
    vocabulary_ = Vocabulary(std::move(raw.text), raw.vocabulary, false, raw.where);
    unknown_ = vocabulary_.find(unknown_token_);
  }

  void encode(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const override {
    const bool keep = piece.size() <= WordCache::kLongestWord;
    if (keep && cache.find(piece, 0, ids)) return;
    const size_t from = ids.size();
    if (too_long(piece) || !append_longest(piece, ids)) {
      ids.resize(from);
      if (unknown_ < 0) fail("{}: unk_token {} is needed but vocab does not have it", where_, shown(unknown_token_));
      ids.push_back(unknown_);
    }
    if (keep) cache.add(piece, 0, ids, from);
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  bool too_long(std::string_view piece) const {
    if (static_cast<int64_t>(piece.size()) <= longest_word_) return false;
    const auto characters = std::count_if(piece.begin(), piece.end(), [](char c) { return (c & 0xc0) != 0x80; });
    return characters > longest_word_;
  }

  bool append_longest(std::string_view piece, std::vector<int32_t>& ids) const {
    std::string candidate;
    for (size_t begin = 0; begin < piece.size();) {
      size_t end = begin + std::min(piece.size() - begin, vocabulary_.longest());
      while (end < piece.size() && end > begin && (piece[end] & 0xc0) == 0x80) --end;
      candidate.assign(begin > 0 ? prefix_ : "");
      candidate += piece.substr(begin, end - begin);
      int32_t id = -1;
      while (end > begin && (id = vocabulary_.find(candidate)) < 0) {
        const size_t shorter = previous_code_point(piece, end);
        candidate.resize(candidate.size() - (end - shorter));
        end = shorter;
      }
      if (id < 0) return false;
      ids.push_back(id);
      begin = end;
    }
    return true;
  }

  std::string where_, unknown_token_, prefix_;
  int64_t longest_word_;
  Vocabulary vocabulary_;
  int32_t unknown_;
};

}  // namespace

std::unique_ptr<Model> make_word_piece(const StepJson& json, RawTokenizer& raw) {
  return std::make_unique<WordPiece>(json, raw);
}

}  // namespace octet
