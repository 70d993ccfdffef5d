#pragma once
#include "base/units.h"
#include "cli/compress_report.h"
#include "report/html.h"

namespace octet::cli {

// The chapters of the page; each leaves itself out where there is nothing to say.

/// What smoothing did to every input.
void add_smoothing(report::Page& page, const CompressReport& report);
/// Signal and noise of every module, the range of its weights and of its inputs.
void add_layers(report::Page& page, const CompressReport& report);
/// The models that a search for a contract made, and what each unit costs alone.
void add_contract(report::Page& page, const CompressReport& report);
/// The tokens that changed most.
void add_worst(report::Page& page, const CompressReport& report);

/// "layer 3 mlp.down_proj": it can break on a phone. A module that stands in no layer has its own name.
std::string short_name(const std::string& module);

template <typename Count>
std::string size_text(Count bytes) {
  return human_bytes(static_cast<double>(bytes));
}

}  // namespace octet::cli
