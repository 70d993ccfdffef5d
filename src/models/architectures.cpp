#include "models/architectures.h"

#include <fmt/format.h>

namespace octet {
namespace {

constexpr Architecture kArchitectures[] = {
    // name, qkv bias, q/k norm, window needs a switch, window by default, kv_heads, head_dim
    {"LlamaForCausalLM", false, false, false, false, 0, 0},
    {"MistralForCausalLM", false, false, false, true, 8, 0},
    {"Qwen2ForCausalLM", true, false, true, true, 32, 0},
    {"Qwen3ForCausalLM", false, true, true, true, 32, 128},
};

}  // namespace

std::span<const Architecture> architectures() {
  return kArchitectures;
}

std::string layer_module(int64_t layer, std::string_view name) {
  return fmt::format("model.layers.{}.{}", layer, name);
}

std::vector<std::string> linear_modules(const DecoderConfig& config) {
  std::vector<std::string> modules;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    for (const std::string_view name : kLayerLinears) modules.push_back(layer_module(layer, name));
  }
  return modules;
}

}  // namespace octet
