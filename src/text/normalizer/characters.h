#pragma once
#include "text/normalizer/list.h"
#include "text/unicode.h"

namespace octet {

/// A normalizer that looks at one character at a time: write(out, c) appends what c becomes.
template <typename Write>
class PerCharacter : public Normalizer {
 public:
  explicit PerCharacter(Write write) : write_(write) {}

  void apply(std::string& text) const override {
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    for (size_t at = 0; at < text.size();) write_(out, next_code_point(text, at));
    text = std::move(out);
  }

 private:
  Write write_;
};

template <typename Write>
std::unique_ptr<Normalizer> per_character(Write write) {
  return std::make_unique<PerCharacter<Write>>(write);
}

}  // namespace octet
