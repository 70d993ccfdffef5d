#include "text/normalizer/list.h"

namespace octet {
namespace {

struct NormalizerSequence : Normalizer {
  std::vector<std::unique_ptr<Normalizer>> steps;

  void apply(std::string& text) const override {
    for (const auto& step : steps) step->apply(text);
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_normalizer_sequence(const StepJson& json) {
  auto sequence = std::make_unique<NormalizerSequence>();
  for (const StepJson& child : json.children("normalizers")) sequence->steps.push_back(make_normalizer(child));
  return sequence;
}

}  // namespace octet
