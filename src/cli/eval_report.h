#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "eval/perplexity.h"

namespace octet::cli {

/// What the page of `octet eval --report` shows.
struct EvalReport {
  std::string name, text;
  int64_t context = 0;
  Scores scores;
  int64_t bytes = 0;
  std::optional<Comparison> comparison;
  std::string baseline_name;
  int64_t baseline_bytes = 0;
};

/// One self-contained HTML page.
std::string eval_report(const EvalReport& report);

}  // namespace octet::cli
