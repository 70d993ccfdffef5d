#pragma once
#include <memory>
#include <string>

namespace octet {

struct StepJson;

/// Changes text before it is cut. Each step is a file in normalizer/ and a row of normalizer/list.cpp.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// `text` is valid UTF-8 and stays so.
  virtual void apply(std::string& text) const = 0;
};

/// Throws Error naming a type that is not in the list.
std::unique_ptr<Normalizer> make_normalizer(const StepJson& json);

}  // namespace octet
