#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

/// Words between white space, and each punctuation character by itself.
struct BertPreTokenizer : PreTokenizer {
  void apply(Pieces& pieces) const override {
    cut_at_characters(pieces, SplitBehavior::kRemoved, is_whitespace);
    cut_at_characters(pieces, SplitBehavior::kIsolated, is_punctuation);
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_bert_pre_tokenizer(const StepJson&) {
  return std::make_unique<BertPreTokenizer>();
}

}  // namespace octet
