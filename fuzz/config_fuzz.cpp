// Any config.json is either refused with an Error of one printable line, or a decoder whose rotation is finite and a
// quantization_config that can be asked, written, and read back as the same.
#include <cstdlib>

#include "base/json.h"
#include "files/quantization_config.h"
#include "models/config.h"
#include "models/rope.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

bool same(const octet::QuantizationConfig& a, const octet::QuantizationConfig& b) {
  if (a.method != b.method || a.ignore != b.ignore || a.kv_cache != b.kv_cache || a.groups.size() != b.groups.size())
    return false;
  // More than ten groups come back in the order of their names.
  if (a.groups.size() > 10) return true;
  for (size_t i = 0; i < a.groups.size(); ++i) {
    const auto &x = a.groups[i], &y = b.groups[i];
    if (x.targets != y.targets || x.weights != y.weights || x.activations != y.activations || x.storage != y.storage)
      return false;
  }
  return true;
}

void ask(const octet::QuantizationConfig& config) {
  try {
    for (const char* module :
         {"lm_head", "model.layers.0.self_attn.q_proj", "model.layers.10.mlp.experts.3.down_proj"}) {
      const octet::ConfigGroup* group = config.group_of(module);
      if (group && group->storage != octet::Storage::dense && group->weights->symmetric) {
        octet::plan_qtensor(module, *group, 100, 200, octet::DType::BF16);
      }
    }
  } catch (const octet::Error&) {
    // a pattern
  }
}

void check_refusal(const octet::Error& error) {
  const std::string_view message = error.what();
  check(message.substr(0, 5) != "again" && message.size() < 2000);
  for (const unsigned char c : message) check(c >= 0x20 && c != 0x7F);
}

void read_decoder(const octet::Json& json) {
  try {
    const octet::DecoderConfig config = octet::read_decoder_config(json, "config.json");
    check(config.heads % config.kv_heads == 0 && config.windows.size() == static_cast<size_t>(config.layers));
    if (config.head_dim > 4096) return;
    const octet::Rope rope = octet::make_rope(config.rope, config.head_dim, config.max_positions);
    for (const double frequency : rope.frequencies) check(std::isfinite(frequency));
  } catch (const octet::Error& error) {
    check_refusal(error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const octet::Json config = octet::parse_json({reinterpret_cast<const char*>(data), size}, "config.json");
    read_decoder(config);
    const auto quantization = octet::read_quantization_config(config, "config.json");
    if (!quantization) return 0;
    ask(*quantization);
    const octet::Json written{{"quantization_config", octet::write_quantization_config(*quantization)}};
    const auto again = octet::read_quantization_config(octet::parse_json(written.dump(), "again"), "again");
    check(again && same(*quantization, *again));
  } catch (const octet::Error& error) {
    check_refusal(error);
  }
  return 0;
}
