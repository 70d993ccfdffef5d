#include <algorithm>
#include <cstring>

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

// Which of the group's targets names the module: 2 outright, 1 by a pattern, 0 none.
int how_named(const ConfigGroup& group, const std::string& module) {
  int how = 0;
  for (const std::string& target : group.targets) {
    if (target == module) return 2;
    if (target.starts_with("re:") && matches(target, {module})) how = 1;
  }
  return how;
}

// A name goes before a pattern and a pattern before a class, in every program; of two patterns each takes another.
void check_overlap(const QuantizationConfig& schemes, const std::vector<std::string>& modules,
                   const std::string& where) {
  for (const std::string& module : modules) {
    if (!schemes.group_of(module)) continue;  // it is ignored
    int most = 0, groups = 0;
    for (const ConfigGroup& group : schemes.groups) {
      const int how = how_named(group, module);
      if (how > most) groups = 0;
      most = std::max(most, how);
      if (how == most && how > 0) ++groups;
    }
    if (groups > 1) {
      fail("{}: two groups name {}: programs that load it would not agree whose it is; leave it to one of them",
           printable(where), module);
    }
  }
}

}  // namespace

std::string close_names(const std::string& name, std::vector<std::string> modules) {
  // What a pattern leaves open is not missed: the letters behind its last wildcard meet the ends of names.
  const bool is_pattern = name.starts_with("re:");
  std::string wanted = is_pattern ? name.substr(name.find_last_of("*+:") + 1) : name;
  if (is_pattern && wanted.empty()) wanted = name.substr(3);
  std::erase_if(wanted, [&](char c) { return is_pattern && std::strchr("^$\\()[]|?", c); });
  const auto distance = [&](std::string_view module) {
    return edit_distance(
        wanted, is_pattern && module.size() > wanted.size() ? module.substr(module.size() - wanted.size()) : module);
  };
  std::stable_sort(modules.begin(), modules.end(),
                   [&](const std::string& a, const std::string& b) { return distance(a) < distance(b); });
  modules.resize(std::min<size_t>(3, modules.size()));
  std::string text;
  for (const std::string& module : modules) text += (text.empty() ? "" : ", ") + module;
  return text;
}

std::vector<std::string> check_names(const QuantizationConfig& schemes, const std::vector<std::string>& modules,
                                     const std::string& where) {
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
  std::vector<std::string> notices;
  for (const std::string& name : schemes.ignore) {
    if (name.empty() || name == "lm_head" || matches(name, modules)) continue;
    if (!name.starts_with("re:")) refuse(name);
    notices.push_back(fmt::format("{}: the ignored pattern \"{}\" matches no linear layer of this model",
                                  printable(where), printable(name, 100)));
  }
  check_overlap(schemes, modules, where);
  return notices;
}

}  // namespace octet
