#pragma once
#include <string>

namespace octet {

struct StepJson;

/// The options of a Metaspace step, of which a pre-tokenizer and a decoder exist: a visible character (▁) for spaces.
struct Metaspace {
  enum class Prepend { kAlways, kFirst, kNever };

  explicit Metaspace(const StepJson& json);

  std::string replacement;  ///< one character
  Prepend prepend;          ///< whether text begins with it: always, where the user's text begins, or never
  bool split;               ///< whether pieces are cut before each
};

}  // namespace octet
