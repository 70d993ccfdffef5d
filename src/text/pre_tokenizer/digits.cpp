#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

struct Digits : PreTokenizer {
  explicit Digits(bool individual) : behavior(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous) {}
  void apply(Pieces& pieces) const override { cut_at_characters(pieces, behavior, is_number); }
  SplitBehavior behavior;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_digits(const StepJson& json) {
  return std::make_unique<Digits>(json.flag("individual_digits", false));
}

}  // namespace octet
