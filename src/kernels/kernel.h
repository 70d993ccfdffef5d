#pragma once
#include <span>
#include <string>
#include <vector>

#include "base/cpu.h"

namespace octet::kernels {

/// One row of a family's list: fastest first, the plain reference (needs nothing) last.
template <typename Function>
struct Kernel {
  const char* name;
  Features needs;
  Function* run;
};

/// The first row whose needs are met by usable_features(). Families call it once and keep the answer.
template <typename Function>
const Kernel<Function>& choose(std::span<const Kernel<Function>> list, Features usable = usable_features()) {
  for (const auto& kernel : list) {
    if ((kernel.needs & ~usable) == 0) return kernel;
  }
  return list.back();
}

/// A family as `octet doctor` shows it: what was chosen, and why the faster rows were refused.
struct Refusal {
  std::string name, reason;
};
struct FamilyChoice {
  std::string family, chosen;
  std::vector<Refusal> refused;
};

template <typename Function>
FamilyChoice explain(const char* family, std::span<const Kernel<Function>> list) {
  const Features usable = usable_features();
  FamilyChoice choice{family, choose(list, usable).name, {}};
  for (const auto& kernel : list) {
    const Features missing = kernel.needs & ~usable;
    if (!missing) break;
    const bool forced = (missing & ~cpu_features()) == 0;
    choice.refused.push_back({kernel.name, forced ? "OCTET_ISA leaves out " + names_of(missing)
                                                  : "this CPU lacks " + names_of(missing & ~cpu_features())});
  }
  return choice;
}

}  // namespace octet::kernels
