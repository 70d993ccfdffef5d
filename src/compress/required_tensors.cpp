#include "compress/required_tensors.h"

#include "base/error.h"
#include "base/escape.h"
#include "compress/modules.h"
#include "models/architectures.h"

namespace octet {
namespace {

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

void require_layer(const Checkpoint& checkpoint, const DecoderConfig& c, int64_t layer) {
  const auto require = [&](std::string_view name, int64_t size) {
    require_numbers(checkpoint, layer_module(layer, name), {size});
  };
  require("input_layernorm.weight", c.hidden);
  require("post_attention_layernorm.weight", c.hidden);
  if (c.attention_bias) {
    require("self_attn.q_proj.bias", c.heads * c.head_dim);
    require("self_attn.k_proj.bias", c.kv_heads * c.head_dim);
    require("self_attn.v_proj.bias", c.kv_heads * c.head_dim);
  }
  if (c.attention_out_bias) require("self_attn.o_proj.bias", c.hidden);
  if (c.architecture->qk_norm) {
    require("self_attn.q_norm.weight", c.head_dim);
    require("self_attn.k_norm.weight", c.head_dim);
  }
  if (c.mlp_bias) {
    require("mlp.gate_proj.bias", c.intermediate);
    require("mlp.up_proj.bias", c.intermediate);
    require("mlp.down_proj.bias", c.hidden);
  }
}

}  // namespace

void require_numbers(const Checkpoint& checkpoint, const std::string& name, const Shape& shape) {
  const std::string where = printable(checkpoint.directory().string());
  if (!checkpoint.has(name)) {
    fail("{}: holds no tensor {}, which config.json asks for in shape {}; the model is not whole, fetch it again",
         where, name, text_of(shape));
  }
  const TensorInfo& info = checkpoint.info(name);
  if (info.shape != shape) {
    fail("{}: tensor {} has shape {}, but config.json asks for {}", where, name, text_of(info.shape), text_of(shape));
  }
  if (!is_float(info.dtype)) {
    fail("{}: tensor {} has dtype {}; numbers that are not quantized must be F32, BF16 or F16", where, name,
         name_of(info.dtype));
  }
}

void require_tensors_beside_modules(const Checkpoint& checkpoint, const Plan& plan) {
  const DecoderConfig& c = plan.model;
  const Shape table{c.vocabulary, c.hidden};
  require_numbers(checkpoint, std::string(kEmbedding), table);
  for (int64_t layer = 0; layer < c.layers; ++layer) require_layer(checkpoint, c, layer);
  require_numbers(checkpoint, "model.norm.weight", {c.hidden});
  const bool head_is_module = !plan.modules.empty() && plan.modules.back().name == kHead;
  if (!c.tied && !head_is_module) require_numbers(checkpoint, std::string(kHead) + ".weight", table);
}

}  // namespace octet
