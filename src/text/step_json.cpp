#include "text/step_json.h"

#include "text/unicode.h"
#include "text/vocabulary.h"

namespace octet {
namespace {

constexpr int kMaxSequenceDepth = 32;

}  // namespace

std::string StepJson::type() const {
  if (!json.is_object()) fail("{}: is not a JSON object", where);
  return text("type");
}

bool StepJson::has(const char* key) const {
  if (!json.is_object()) fail("{}: is not a JSON object", where);
  const auto found = json.find(key);
  return found != json.end() && !found->is_null();
}

const Json& StepJson::at(const char* key) const {
  if (!has(key)) fail("{}: the key {} is missing", where, key);
  return json.at(key);
}

std::string StepJson::text(const char* key) const {
  at(key);
  return json_value<std::string>(json, key, "", where);
}

std::string StepJson::text(const char* key, const char* fallback) const {
  return json_value<std::string>(json, key, fallback, where);
}

bool StepJson::flag(const char* key, bool fallback) const {
  return json_value(json, key, fallback, where);
}

int64_t StepJson::number(const char* key, int64_t fallback) const {
  return json_value(json, key, fallback, where);
}

char32_t StepJson::character(const char* key, char32_t fallback) const {
  if (!has(key)) return fallback;
  const std::string value = text(key);
  size_t at = 0;
  const char32_t c = value.empty() ? 0 : next_code_point(value, at);
  if (value.empty() || at != value.size()) fail("{}: {} is {}, not one character", where, key, shown(value));
  return c;
}

std::vector<StepJson> StepJson::children(const char* key) const {
  if (depth >= kMaxSequenceDepth) fail("{}: sequences are nested deeper than {} levels", where, kMaxSequenceDepth);
  const Json& list = at(key);
  if (!list.is_array()) fail("{}: {} is not a list", where, key);
  std::vector<StepJson> out;
  for (size_t i = 0; i < list.size(); ++i) {
    out.push_back({list[i], fmt::format("{}.{}[{}]", where, key, i), depth + 1});
  }
  return out;
}

}  // namespace octet
