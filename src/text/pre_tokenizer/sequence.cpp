#include "text/pre_tokenizer/list.h"

namespace octet {
namespace {

struct PreTokenizerSequence : PreTokenizer {
  std::vector<std::unique_ptr<PreTokenizer>> steps;

  void apply(Pieces& pieces) const override {
    for (const auto& step : steps) step->apply(pieces);
  }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(const StepJson& json) {
  auto sequence = std::make_unique<PreTokenizerSequence>();
  for (const StepJson& child : json.children("pretokenizers")) sequence->steps.push_back(make_pre_tokenizer(child));
  return sequence;
}

}  // namespace octet
