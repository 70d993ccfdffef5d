#include "text/model/list.h"
#include "text/raw_tokenizer.h"

namespace octet {
namespace {

/// One id a piece, or the unknown token's.
class WordLevel : public Model {
 public:
  WordLevel(const StepJson& json, RawTokenizer& raw)
      : where_(json.where), unknown_token_(json.text("unk_token", "<unk>")) {
    if (raw.vocabulary_has_scores) fail("{}: vocab must be an object of tokens and ids", where_);
    vocabulary_ = Vocabulary(std::move(raw.text), raw.vocabulary, false, raw.where);
    unknown_ = vocabulary_.find(unknown_token_);
  }

  void encode(std::string_view piece, WordCache&, std::vector<int32_t>& ids) const override {
    const int32_t id = vocabulary_.find(piece);
    if (id < 0 && unknown_ < 0) {
      fail("{}: unk_token {} is needed but vocab does not have it", where_, shown(unknown_token_));
    }
    ids.push_back(id < 0 ? unknown_ : id);
  }
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  std::string where_, unknown_token_;
  Vocabulary vocabulary_;
  int32_t unknown_;
};

}  // namespace

std::unique_ptr<Model> make_word_level(const StepJson& json, RawTokenizer& raw) {
  return std::make_unique<WordLevel>(json, raw);
}

}  // namespace octet
