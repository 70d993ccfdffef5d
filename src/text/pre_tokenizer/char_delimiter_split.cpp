#include "text/pre_tokenizer/list.h"
#include "text/split_behavior.h"

namespace octet {
namespace {

struct CharDelimiterSplit : PreTokenizer {
  explicit CharDelimiterSplit(char32_t c) : delimiter(c) {}
  void apply(Pieces& pieces) const override {
    cut_at_characters(pieces, SplitBehavior::kRemoved, [&](char32_t c) { return c == delimiter; });
  }
  char32_t delimiter;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_char_delimiter_split(const StepJson& json) {
  json.at("delimiter");
  return std::make_unique<CharDelimiterSplit>(json.character("delimiter", U' '));
}

}  // namespace octet
