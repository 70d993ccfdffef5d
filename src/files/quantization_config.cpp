#include "files/quantization_config.h"

#include "files/name_pattern.h"

namespace octet {
namespace {

constexpr std::string_view kPattern = "re:";
constexpr std::string_view kLinear = "Linear";  // the class of every module that is asked for here

bool is_pattern(std::string_view target) {
  return target.substr(0, kPattern.size()) == kPattern;
}

// From the strongest to the weakest.
enum class Match { exact, pattern, type };

bool matches(const std::string& target, std::string_view module, Match how) {
  switch (how) {
    case Match::exact:
      return target == module;
    case Match::pattern:
      return is_pattern(target) && pattern_matches_start(target.substr(kPattern.size()), module);
    case Match::type:
      return target == kLinear;
  }
  return false;
}

bool any_matches(const std::vector<std::string>& targets, std::string_view module, Match how) {
  return std::any_of(targets.begin(), targets.end(), [&](const auto& target) { return matches(target, module, how); });
}

// Transformers' modules_to_not_convert: the name of the module, of one above it, or the end of its name.
bool is_named_by(const std::string& entry, std::string_view module) {
  if (entry.empty() || entry.size() > module.size()) return false;
  if (entry == module) return true;
  const size_t rest = module.size() - entry.size();
  if (module.substr(0, entry.size()) == entry && module[entry.size()] == '.') return true;
  return module.substr(rest) == entry && module[rest - 1] == '.';
}

bool is_ignored(const QuantizationConfig& config, std::string_view module) {
  const auto& ignore = config.ignore;
  if (config.method == "fp8") {
    return std::any_of(ignore.begin(), ignore.end(), [&](const auto& entry) { return is_named_by(entry, module); });
  }
  return any_matches(ignore, module, Match::exact) || any_matches(ignore, module, Match::pattern) ||
         any_matches(ignore, module, Match::type);
}

}  // namespace

const ConfigGroup* QuantizationConfig::group_of(std::string_view module) const {
  if (is_ignored(*this, module)) return nullptr;
  for (const Match how : {Match::exact, Match::pattern, Match::type}) {
    for (const auto& group : groups) {
      if (any_matches(group.targets, module, how)) return group.weights ? &group : nullptr;
    }
  }
  return nullptr;
}

}  // namespace octet
