#pragma once
#include <memory>

#include "text/step_json.h"

namespace octet {

/// A row of a list of steps: its "type" in tokenizer.json, and what makes it.
template <typename Step>
struct StepRow {
  const char* type;
  std::unique_ptr<Step> (*make)(const StepJson&);
};

/// Makes the step that `json` names. Throws Error naming the type where no row has it.
template <typename Step, size_t N>
std::unique_ptr<Step> make_step(const StepRow<Step> (&rows)[N], const StepJson& json) {
  const std::string type = json.type();
  std::string known;
  for (const auto& row : rows) {
    if (type == row.type) return row.make(json);
    known += fmt::format("{}{}", known.empty() ? "" : ", ", row.type);
  }
  fail("{}: the type {} is not supported; supported are {}", json.where, Json(type).dump(), known);
}

}  // namespace octet
