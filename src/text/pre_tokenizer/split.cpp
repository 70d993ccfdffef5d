#include "text/split_behavior.h"

#include "text/pre_tokenizer/list.h"

namespace octet {
namespace {

class Split : public PreTokenizer {
 public:
  explicit Split(const StepJson& json)
      : pattern_(Pattern::from_json(json, "pattern")),
        behavior_(split_behavior(json, "behavior", "Isolated")),
        invert_(json.flag("invert", false)) {}

  void apply(Pieces& pieces) const override {
    cut_pieces(pieces, behavior_, invert_,
               [&](std::string_view text, std::vector<Range>& out) { pattern_.find_all(text, out); });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_split(const StepJson& json) {
  return std::make_unique<Split>(json);
}

}  // namespace octet
