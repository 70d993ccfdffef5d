#pragma once
#include "base/json.h"

namespace octet {

/// One step's object in tokenizer.json, and where it stands, for messages.
struct StepJson {
  const Json& json;
  std::string where;  ///< "tokenizer.json: normalizer.normalizers[2]"
  int depth = 0;

  std::string type() const;                 ///< the key "type"; Error where it is missing
  bool has(const char* key) const;          ///< there, and not null
  const Json& at(const char* key) const;    ///< Error where it is missing
  std::string text(const char* key) const;  ///< Error where it is missing or no string
  std::string text(const char* key, const char* fallback) const;
  bool flag(const char* key, bool fallback) const;
  int64_t number(const char* key, int64_t fallback) const;
  char32_t character(const char* key, char32_t fallback) const;
  std::vector<StepJson> children(const char* key) const;  ///< of a Sequence; Error when nested too deeply
};

}  // namespace octet
