#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/config.h"

namespace octet {

/// What a decoder family does differently; everything else is config.json's. One row each in architectures.cpp.
struct Architecture {
  std::string_view name;     // in config.json's "architectures"
  bool qkv_bias;             // q, k and v always have a bias
  bool qk_norm;              // q and k are normed per head before rope
  bool window_needs_switch;  // sliding_window counts only with use_sliding_window
  bool window_by_default;    // sliding_window counts for every layer where config.json names no layer_types
  int kv_heads, head_dim;    // what Transformers takes where config.json names none; 0: from the other numbers
};

std::span<const Architecture> architectures();

/// Modules of a decoder layer that are linear, as the checkpoint names them below "model.layers.I.".
inline constexpr std::string_view kLayerLinears[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                                     "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                                     "mlp.down_proj"};
/// Modules that vLLM fuses: one scheme, and one scale where a scale is per tensor.
inline constexpr std::span<const std::string_view> kFusedLinears[] = {{kLayerLinears, 3}, {kLayerLinears + 4, 2}};

/// "model.layers.3." + name
std::string layer_module(int64_t layer, std::string_view name);
/// Every linear module of the decoder layers, in order. lm_head is not among them.
std::vector<std::string> linear_modules(const DecoderConfig& config);

}  // namespace octet
