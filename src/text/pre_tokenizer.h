#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace octet {

struct StepJson;

/// A text and the pieces it is cut into.
struct Pieces {
  std::string_view text;
  std::vector<Range> ranges;
  bool at_start = false;  ///< the first piece begins where the user's text begins

  /// Puts a new text in place of the old one; the ranges must be those of the new one.
  void replace(std::string new_text) {
    storage_ = std::make_unique<std::string>(std::move(new_text));
    text = *storage_;
  }
  std::string_view operator[](Range r) const { return text.substr(r.begin, r.end - r.begin); }

 private:
  std::unique_ptr<std::string> storage_;
};

/// Cuts text into pieces that the model never joins. Each step is a file in pre_tokenizer/ and a row of
/// pre_tokenizer/list.cpp.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
};

/// Throws Error naming a type that is not in the list.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const StepJson& json);

}  // namespace octet
