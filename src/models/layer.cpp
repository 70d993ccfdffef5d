#include "models/layer.h"

#include "models/architectures.h"

namespace octet {

DecoderLayer make_layer(const DecoderConfig& c, int64_t i, const Parts& parts) {
  const auto name = [i](std::string_view part) { return layer_module(i, part); };
  const auto norm = [&](std::string_view part, int64_t size) {
    return RmsNorm{parts.vector(name(part), size), c.norm_epsilon};
  };
  const int64_t width = c.heads * c.head_dim, kv_width = c.kv_heads * c.head_dim;
  DecoderLayer layer;
  layer.input_norm = norm("input_layernorm.weight", c.hidden);
  layer.post_attention_norm = norm("post_attention_layernorm.weight", c.hidden);

  Attention& a = layer.attention;
  a.module = name("self_attn");
  a.layer = i, a.heads = c.heads, a.kv_heads = c.kv_heads, a.head_dim = c.head_dim;
  a.window = c.windows[static_cast<size_t>(i)];
  a.arithmetic = c.dtype == DType::BF16 ? Format::BF16 : Format::F32;
  a.q = parts.linear(name("self_attn.q_proj"), width, c.hidden, c.attention_bias);
  a.k = parts.linear(name("self_attn.k_proj"), kv_width, c.hidden, c.attention_bias);
  a.v = parts.linear(name("self_attn.v_proj"), kv_width, c.hidden, c.attention_bias);
  a.o = parts.linear(name("self_attn.o_proj"), c.hidden, width, c.attention_out_bias);
  if (c.architecture->qk_norm) {
    a.q_norm = norm("self_attn.q_norm.weight", c.head_dim);
    a.k_norm = norm("self_attn.k_norm.weight", c.head_dim);
  }
  layer.mlp.gate = parts.linear(name("mlp.gate_proj"), c.intermediate, c.hidden, c.mlp_bias);
  layer.mlp.up = parts.linear(name("mlp.up_proj"), c.intermediate, c.hidden, c.mlp_bias);
  layer.mlp.down = parts.linear(name("mlp.down_proj"), c.hidden, c.intermediate, c.mlp_bias);
  return layer;
}

}  // namespace octet
