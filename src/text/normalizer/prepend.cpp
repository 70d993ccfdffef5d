#include "text/normalizer/list.h"

namespace octet {
namespace {

struct Prepend : Normalizer {
  std::string prefix;

  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix);
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_prepend(const StepJson& json) {
  auto step = std::make_unique<Prepend>();
  step->prefix = json.text("prepend");
  return step;
}

}  // namespace octet
