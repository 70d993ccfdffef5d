#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

struct Punctuation : PreTokenizer {
  explicit Punctuation(SplitBehavior b) : behavior(b) {}
  void apply(Pieces& pieces) const override { cut_at_characters(pieces, behavior, is_punctuation); }
  SplitBehavior behavior;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_punctuation(const StepJson& json) {
  return std::make_unique<Punctuation>(split_behavior(json, "behavior", "Isolated"));
}

}  // namespace octet
