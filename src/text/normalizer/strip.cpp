#include "text/normalizer/list.h"
#include "text/unicode.h"

namespace octet {
namespace {

struct Strip : Normalizer {
  bool left = true, right = true;

  void apply(std::string& text) const override {
    size_t begin = 0, end = text.size();
    for (size_t at = 0; left && at < end; begin = at) {
      if (!is_whitespace(next_code_point(text, at))) break;
    }
    for (size_t at = end; right && at > begin; end = at) {
      at = previous_code_point(text, at);
      size_t c = at;
      if (!is_whitespace(next_code_point(text, c))) break;
    }
    text.erase(end);
    text.erase(0, begin);
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_strip_normalizer(const StepJson& json) {
  auto step = std::make_unique<Strip>();
  step->left = json.flag("strip_left", true);
  step->right = json.flag("strip_right", true);
  return step;
}

}  // namespace octet
