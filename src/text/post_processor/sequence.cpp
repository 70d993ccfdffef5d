#include "text/post_processor/list.h"

namespace octet {
namespace {

struct PostProcessorSequence : PostProcessor {
  std::vector<std::unique_ptr<PostProcessor>> steps;

  std::vector<int32_t> apply(std::vector<int32_t> ids) const override {
    for (const auto& step : steps) ids = step->apply(std::move(ids));
    return ids;
  }
};

}  // namespace

std::unique_ptr<PostProcessor> make_post_processor_sequence(const StepJson& json) {
  auto sequence = std::make_unique<PostProcessorSequence>();
  for (const StepJson& child : json.children("processors")) sequence->steps.push_back(make_post_processor(child));
  return sequence;
}

}  // namespace octet
