#include "text/byte_level.h"

#include "text/normalizer/list.h"

namespace octet {
namespace {

struct ByteLevelNormalizer : Normalizer {
  void apply(std::string& text) const override {
    std::string out;
    append_byte_characters(out, text);
    text = std::move(out);
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_byte_level_normalizer(const StepJson&) {
  return std::make_unique<ByteLevelNormalizer>();
}

}  // namespace octet
