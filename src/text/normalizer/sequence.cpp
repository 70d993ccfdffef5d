#include "text/growth.h"
#include "text/normalizer/list.h"

namespace octet {
namespace {

struct NormalizerSequence : Normalizer {
  std::vector<std::unique_ptr<Normalizer>> steps;
  std::string where;

  void apply(std::string& text) const override {
    const size_t before = text.size();
    for (const auto& step : steps) {
      step->apply(text);
      check_growth(where, before, text.size(), 16);
    }
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer_sequence(const StepJson& json) {
  auto sequence = std::make_unique<NormalizerSequence>();
  sequence->where = json.where;
  for (const StepJson& child : json.children("normalizers")) sequence->steps.push_back(make_normalizer(child));
  return sequence;
}

}  // namespace octet
