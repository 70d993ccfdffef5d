// Any recipe is either refused with an Error of one printable line, or groups of layers that can be asked and written
// with algorithms whose numbers can be used.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "base/json.h"
#include "compress/modules.h"
#include "compress/recipe.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_refusal(const octet::Error& error) {
  const std::string_view message = error.what();
  check(message.size() < 2000);
  for (const unsigned char c : message) check(c >= 0x20 && c != 0x7F);
}

std::vector<std::string> modules() {
  std::vector<std::string> names{std::string(octet::kHead)};
  for (const char* layer : {"0", "1", "10"}) {
    for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
      names.push_back(fmt::format("model.layers.{}.{}", layer, name));
    }
  }
  return names;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::string> kModules = modules();
  try {
    const octet::Recipe recipe = octet::read_recipe({reinterpret_cast<const char*>(data), size}, "recipe.yaml");
    const octet::Pipeline& p = recipe.pipeline;
    check(std::isfinite(p.smoothing_strength) && p.smoothing_strength <= 1);
    check(std::isfinite(p.gptq.damping) && p.gptq.damping >= 0);
    for (const octet::ConfigGroup& group : recipe.schemes.groups) check(group.weights.has_value());
    octet::check_names(recipe.schemes, kModules, "recipe.yaml");
    for (const std::string& module : kModules) recipe.schemes.group_of(module);
    check(octet::write_quantization_config(recipe.schemes).is_object());
  } catch (const octet::Error& error) {
    check_refusal(error);
  }
  return 0;
}
