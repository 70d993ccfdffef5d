#include <algorithm>

#include "base/edit_distance.h"
#include "base/error.h"
#include "base/escape.h"
#include "compress/recipe.h"

namespace octet {
namespace {

bool matches(const std::string& target, const std::vector<std::string>& modules) {
  if (target == "Linear" || std::find(modules.begin(), modules.end(), target) != modules.end()) return true;
  QuantizationConfig one;
  one.groups.push_back({{target}, per_channel(Format::INT8), std::nullopt, Storage::int_quantized});
  return std::any_of(modules.begin(), modules.end(), [&](const std::string& module) { return one.group_of(module); });
}

}  // namespace

std::string close_names(const std::string& name, std::vector<std::string> modules) {
  std::string_view wanted = name;
  if (wanted.starts_with("re:")) wanted.remove_prefix(3);
  std::stable_sort(modules.begin(), modules.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(wanted, a) < edit_distance(wanted, b);
  });
  modules.resize(std::min<size_t>(3, modules.size()));
  std::string text;
  for (const std::string& module : modules) text += (text.empty() ? "" : ", ") + module;
  return text;
}

void check_names(const QuantizationConfig& schemes, const std::vector<std::string>& modules, const std::string& where) {
  const auto refuse = [&](const std::string& name) {
    const bool is_class = std::isupper(static_cast<unsigned char>(name[0])) && name.find('.') == std::string::npos;
    if (is_class)
      fail("{}: \"{}\" is no class that Octet compresses; Linear is", printable(where), printable(name, 100));
    fail("{}: \"{}\" names no linear layer of this model; close to it are {}", printable(where), printable(name, 100),
         close_names(name, modules));
  };
  for (const ConfigGroup& group : schemes.groups) {
    for (const std::string& target : group.targets) {
      if (target.empty() || !matches(target, modules)) refuse(target.empty() ? "." : target);
    }
  }
  for (const std::string& name : schemes.ignore) {
    const bool is_pattern = name.starts_with("re:");
    if (!name.empty() && !is_pattern && name != "lm_head" && !matches(name, modules)) refuse(name);
  }
}

}  // namespace octet
