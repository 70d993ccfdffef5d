#pragma once
#include "compress/plan.h"

namespace octet {

/// A row of a table: modules of one name and shape within their layers that are the same before and after.
struct ModuleKind {
  std::string name, shape;    // "mlp.down_proj", "[768, 2048]"
  std::string before, after;  // "BF16", "I8 per channel; inputs I8 per token"
  int count = 0;
};
std::vector<ModuleKind> kinds_of(const Plan& plan);  // by name

}  // namespace octet
