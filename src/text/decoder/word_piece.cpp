#include "text/decoder/list.h"

namespace octet {
namespace {

struct WordPieceRule {
  std::string prefix;
  bool cleanup;
};

/// Tokens with the prefix continue a word, others begin one.
class WordPieceStage : public WholeTokenStage {
 public:
  WordPieceStage(const WordPieceRule& rule, DecodeStage& next) : rule_(rule), next_(next) {}
  void finish() override { next_.finish(); }

 protected:
  void take_token(std::string& token) override {
    if (!first_) {
      if (token.compare(0, rule_.prefix.size(), rule_.prefix) == 0) {
        token.erase(0, rule_.prefix.size());
      } else {
        token.insert(0, " ");
      }
    }
    first_ = false;
    if (rule_.cleanup) clean_up(token);
    next_.take(token, true);
  }

 private:
  const WordPieceRule& rule_;
  DecodeStage& next_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Decoder> make_word_piece_decoder(const StepJson& json) {
  return std::make_unique<DecoderOf<WordPieceStage, WordPieceRule>>(
      WordPieceRule{json.text("prefix", "##"), json.flag("cleanup", true)});
}

}  // namespace octet
