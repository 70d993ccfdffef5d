#include "text/post_processor/list.h"

namespace octet {
namespace {

/// Only moves the borders of tokens, which are not kept here: ids stay as they are.
struct ByteLevelProcessing : PostProcessor {
  std::vector<int32_t> apply(std::vector<int32_t> ids) const override { return ids; }
};

}  // namespace

std::unique_ptr<PostProcessor> make_byte_level_processing(const StepJson&) {
  return std::make_unique<ByteLevelProcessing>();
}

}  // namespace octet
