#include "models/config.h"

#include <fmt/ranges.h>

#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "models/architectures.h"
#include "models/classifier.h"
#include "models/config_reader.h"

namespace octet {
namespace {

using Reader = ConfigReader;

std::string shown(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60);
}

const Architecture& read_architecture(const Reader& config) {
  std::vector<std::string_view> supported;
  for (const auto& row : architectures()) supported.push_back(row.name);
  const auto found = config.json.find("architectures");
  if (found == config.json.end() || !found->is_array() || found->empty() || !(*found)[0].is_string()) {
    fail("{}: architectures does not name a model class; supported are {}", config.where, fmt::join(supported, ", "));
  }
  const auto& name = (*found)[0].get_ref<const std::string&>();
  for (const auto& row : architectures()) {
    if (row.name == name) return row;
  }
  if (const ClassifierKind* kind = classifier_kind_of(config.json)) {
    fail("{}: {} is {}: octet eval --data measures it and octet train goes on with it, it writes no text", config.where,
         name, kind->what);
  }
  fail("{}: the architecture {} is not supported; supported are {}", config.where, shown((*found)[0]),
       fmt::join(supported, ", "));
}

RopeKind rope_kind_named(const std::string& name, const std::string& where) {
  if (name == "default") return RopeKind::plain;
  if (name == "linear") return RopeKind::linear;
  if (name == "dynamic") return RopeKind::dynamic;
  if (name == "llama3") return RopeKind::llama3;
  if (name == "yarn") return RopeKind::yarn;
  fail("{}: rope type {} is not supported; supported are default, linear, dynamic, llama3, yarn", where,
       shown(Json(name)));
}

// Transformers 5 writes rope_parameters (rope_theta inside), earlier ones rope_theta and rope_scaling, with "type"
// before "rope_type".
RopeConfig read_rope(const Reader& config, int64_t max_positions) {
  RopeConfig rope;
  rope.theta = config.positive("rope_theta", 10000);
  rope.partial = config.positive("partial_rotary_factor", 1);
  rope.original_positions = max_positions;
  const bool old_style = config.json.contains("rope_scaling") && !config.json["rope_scaling"].is_null();
  const char* key = old_style ? "rope_scaling" : "rope_parameters";
  const auto found = config.json.find(key);
  if (found == config.json.end() || found->is_null()) return rope;
  const std::string where = config.where + ": " + key;
  const Reader scaling{*found, where};
  rope.kind =
      rope_kind_named(scaling.value<std::string>("rope_type", scaling.value<std::string>("type", "default")), where);
  rope.theta = scaling.positive("rope_theta", rope.theta);
  rope.partial = scaling.positive("partial_rotary_factor", rope.partial);
  if (rope.partial > 1) fail("{}: partial_rotary_factor is {}; it must be at most 1", where, rope.partial);
  if (rope.kind == RopeKind::plain) return rope;

  const auto original = scaling.count("original_max_position_embeddings", max_positions, kMaxPositions);
  rope.original_positions = config.count("original_max_position_embeddings", original, kMaxPositions);
  if (!found->contains("factor") && rope.kind != RopeKind::yarn) fail("{}: factor is missing", where);
  rope.factor =
      scaling.positive("factor", static_cast<double>(max_positions) / static_cast<double>(rope.original_positions));
  rope.low_frequency_factor = scaling.positive("low_freq_factor", 1);
  rope.high_frequency_factor = scaling.positive("high_freq_factor", 4);
  if (rope.kind == RopeKind::llama3 && rope.high_frequency_factor <= rope.low_frequency_factor) {
    fail("{}: high_freq_factor {} is not above low_freq_factor {}", where, rope.high_frequency_factor,
         rope.low_frequency_factor);
  }
  rope.beta_fast = scaling.positive("beta_fast", 32);
  rope.beta_slow = scaling.positive("beta_slow", 1);
  rope.attention_factor = scaling.value<double>("attention_factor", 0);
  rope.mscale = scaling.value<double>("mscale", 0);
  rope.mscale_all_dim = scaling.value<double>("mscale_all_dim", 0);
  rope.truncate = scaling.value<bool>("truncate", true);
  return rope;
}

std::vector<int64_t> read_windows(const Reader& config, const DecoderConfig& decoder) {
  const Architecture& architecture = *decoder.architecture;
  std::vector<int64_t> windows(static_cast<size_t>(decoder.layers), 0);
  constexpr int64_t kMistralDefault = 4096;  // of MistralConfig and Qwen2Config
  const bool given = config.json.contains("sliding_window");
  const bool none = given && config.json["sliding_window"].is_null();
  const bool on = !architecture.window_needs_switch || config.value<bool>("use_sliding_window", false);
  if (!architecture.window_by_default || none || !on) return windows;
  const int64_t window = config.count("sliding_window", kMistralDefault, kMaxPositions);

  const auto types = config.json.find("layer_types");
  const bool typed = types != config.json.end() && !types->is_null();
  if (typed && (!types->is_array() || types->size() != windows.size())) {
    fail("{}: layer_types does not name {} layers", config.where, decoder.layers);
  }
  const int64_t first = architecture.window_needs_switch ? config.value<int64_t>("max_window_layers", 28) : 0;
  for (size_t i = 0; i < windows.size(); ++i) {
    if (typed && (*types)[i] != "sliding_attention" && (*types)[i] != "full_attention") {
      fail("{}: layer_types has {}; supported are full_attention and sliding_attention", config.where,
           shown((*types)[i]));
    }
    const bool slides = typed ? (*types)[i] == "sliding_attention" : static_cast<int64_t>(i) >= first;
    windows[i] = slides ? window : 0;
  }
  return windows;
}

std::vector<int32_t> read_token_ids(const Json& config, const char* key, const std::string& where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return {};
  const Json list = found->is_array() ? *found : Json::array({*found});
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      fail("{}: {} is {}; it must be a token id", where, key, shown(*found));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

}  // namespace

DecoderConfig read_decoder_config(const Json& json, const std::string& where) {
  if (!json.is_object()) fail("{}: is not a JSON object", where);
  const Reader config{json, where};
  DecoderConfig decoder;
  decoder.architecture = &read_architecture(config);
  decoder.hidden = config.required("hidden_size", kMaxWidth);
  decoder.intermediate = config.required("intermediate_size", kMaxWidth);
  decoder.layers = config.required("num_hidden_layers", kMaxLayers);
  decoder.heads = config.required("num_attention_heads", kMaxWidth);
  decoder.kv_heads =
      config.count("num_key_value_heads",
                   decoder.architecture->kv_heads ? decoder.architecture->kv_heads : decoder.heads, kMaxWidth);
  decoder.vocabulary = config.required("vocab_size", kMaxWidth * 4);
  decoder.max_positions = config.count("max_position_embeddings", 2048, kMaxPositions);
  const bool has_head_dim = json.contains("head_dim") && !json["head_dim"].is_null();
  if (!has_head_dim && decoder.architecture->head_dim == 0) {
    if (decoder.hidden % decoder.heads) {
      fail("{}: hidden_size {} is not a multiple of num_attention_heads {} and head_dim is not given", where,
           decoder.hidden, decoder.heads);
    }
    decoder.head_dim = decoder.hidden / decoder.heads;
  } else {
    decoder.head_dim = config.count("head_dim", decoder.architecture->head_dim, kMaxWidth);
  }
  if (decoder.heads % decoder.kv_heads) {
    fail("{}: num_attention_heads {} is not a multiple of num_key_value_heads {}", where, decoder.heads,
         decoder.kv_heads);
  }
  if (decoder.heads * decoder.head_dim > kMaxWidth)
    fail("{}: {} heads of {} are too wide", where, decoder.heads, decoder.head_dim);
  if (const auto act = config.value<std::string>("hidden_act", "silu"); act != "silu" && act != "swish") {
    fail("{}: hidden_act {} is not supported; supported is silu", where, shown(Json(act)));
  }
  decoder.norm_epsilon = static_cast<float>(config.positive("rms_norm_eps", 1e-6));
  decoder.rope = read_rope(config, decoder.max_positions);
  decoder.attention_out_bias = config.value<bool>("attention_bias", false) && !decoder.architecture->qkv_bias;
  decoder.attention_bias = decoder.attention_out_bias || decoder.architecture->qkv_bias;
  decoder.mlp_bias = config.value<bool>("mlp_bias", false);
  decoder.tied = config.value<bool>("tie_word_embeddings", false);
  decoder.windows = read_windows(config, decoder);
  decoder.eos = read_token_ids(json, "eos_token_id", where);
  const auto bos = read_token_ids(json, "bos_token_id", where);
  decoder.bos = bos.empty() ? -1 : bos[0];
  return decoder;
}

}  // namespace octet
