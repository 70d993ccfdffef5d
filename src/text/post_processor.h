#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace octet {

struct StepJson;

/// Adds special tokens around the ids of a text. Each step is a file in post_processor/ and a row of
/// post_processor/list.cpp.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual std::vector<int32_t> apply(std::vector<int32_t> ids) const = 0;
};

/// Throws Error naming a type that is not in the list, or an id of `ids` and above.
std::unique_ptr<PostProcessor> make_post_processor(const StepJson& json, int64_t ids);

}  // namespace octet
