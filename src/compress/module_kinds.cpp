#include "compress/module_kinds.h"

#include "compress/modules.h"

namespace octet {
namespace {

std::string description_of(const Quantization& q) {
  const std::string_view format = format_info(q.format).name;
  switch (q.granularity) {
    case Granularity::tensor:
      return fmt::format("{} per tensor", format);
    case Granularity::channel:
      return fmt::format("{} per channel", format);
    case Granularity::token:
      return fmt::format("{} per token", format);
    case Granularity::group:
      return fmt::format("{} in groups of {}", format, q.group);
    case Granularity::block:
      return fmt::format("{} in blocks of {}x{}", format, q.block_rows, q.group);
  }
  return std::string(format);
}

std::string description_of(const ConfigGroup& group) {
  std::string text = description_of(*group.weights);
  if (group.activations) {
    text += fmt::format("; inputs {}{}", description_of(*group.activations),
                        group.activations->dynamic ? "" : ", calibrated");
  }
  return text;
}

}  // namespace

std::vector<ModuleKind> kinds_of(const Plan& plan) {
  std::map<std::string, ModuleKind> kinds;
  for (const ModulePlan& module : plan.modules) {
    ModuleKind kind{name_in_layer(module.name), text_of({module.n, module.k})};
    kind.before = module.from ? description_of(*module.from) : std::string(name_of(module.dtype));
    kind.after = module.to ? description_of(*module.to) : std::string(name_of(module.kept));
    const std::string key = fmt::format("{}\n{}\n{}\n{}", kind.name, kind.shape, kind.before, kind.after);
    ++kinds.emplace(key, std::move(kind)).first->second.count;
  }
  std::vector<ModuleKind> result;
  for (auto& [key, kind] : kinds) result.push_back(std::move(kind));
  return result;
}

}  // namespace octet
