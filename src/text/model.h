#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"
#include "text/word_cache.h"

namespace octet {

struct RawTokenizer;

/// Turns one piece of text into ids. Each model is a file in model/ and a row of model/list.cpp.
class Model {
 public:
  virtual ~Model() = default;
  /// Appends the ids of `piece` (valid UTF-8, not empty). Time grows as n log n at most.
  virtual void encode(std::string_view piece, WordCache& cache, std::vector<int32_t>& ids) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
};

/// Takes vocabulary and merges out of `raw`. Throws Error naming a type that is not in the list.
std::unique_ptr<Model> make_model(RawTokenizer& raw);

}  // namespace octet
