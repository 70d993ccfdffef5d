#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "tensor/dtype.h"

namespace octet {

struct Architecture;

/// How positions become angles (`rope_scaling` or `rope_parameters` of config.json).
enum class RopeKind : uint8_t { plain, linear, dynamic, llama3, yarn };
struct RopeConfig {
  RopeKind kind = RopeKind::plain;
  double theta = 10000, factor = 1;
  double partial = 1;                                           // share of head_dim that is rotated
  int64_t original_positions = 0;                               // of llama3, yarn and dynamic
  double low_frequency_factor = 1, high_frequency_factor = 4;   // llama3
  double beta_fast = 32, beta_slow = 1;                         // yarn
  double attention_factor = 0, mscale = 0, mscale_all_dim = 0;  // yarn; 0: not given
  bool truncate = true;                                         // yarn
};

/// config.json of a decoder, every number checked.
struct DecoderConfig {
  const Architecture* architecture = nullptr;
  int64_t hidden = 0, intermediate = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0;
  int64_t max_positions = 0;
  float norm_epsilon = 1e-6f;
  RopeConfig rope;
  bool attention_bias = false;      // of q, k and v
  bool attention_out_bias = false;  // of o
  bool mlp_bias = false;
  bool tied = false;             // the head is the embedding
  std::vector<int64_t> windows;  // a layer: keys it sees at most; 0: all
  DType dtype = DType::F32;      // of the checkpoint's float weights
  int32_t bos = -1;              // -1: none
  std::vector<int32_t> eos;
};

/// Reads config.json's text. Throws Error naming `where`, the key and what is wrong with it; an unsupported
/// architecture is answered with the list of those that are.
DecoderConfig read_decoder_config(const Json& config, const std::string& where);

}  // namespace octet
