#include "models/config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "models/architectures.h"
#include "models/rope.h"

namespace octet {
namespace {

Json small_config() {
  return parse_json(R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 172,
                        "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 512})",
                    "config.json");
}

Json with(const char* key, const Json& value) {
  Json config = small_config();
  config[key] = value;
  return config;
}

std::string refusal(const Json& config) {
  try {
    read_decoder_config(config, "config.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

void expect_refused(const Json& config, const std::string& word) {
  const std::string message = refusal(config);
  EXPECT_NE(message.find("config.json"), std::string::npos) << message;
  EXPECT_NE(message.find(word), std::string::npos) << word << " is not in: " << message;
}

TEST(DecoderConfig, ReadsWhatALlamaNeeds) {
  const DecoderConfig config = read_decoder_config(small_config(), "config.json");
  EXPECT_EQ(config.hidden, 64);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.kv_heads, 8);
  EXPECT_FALSE(config.tied);
  EXPECT_EQ(config.bos, -1);
  EXPECT_EQ(linear_modules(config).size(), 14u);
  EXPECT_EQ(linear_modules(config)[7], "model.layers.1.self_attn.q_proj");
}

TEST(DecoderConfig, LetsHiddenNotDivideByHeadsWhereHeadDimIsGiven) {
  Json config = with("num_attention_heads", 3);
  expect_refused(config, "head_dim");
  config["head_dim"] = 20;
  EXPECT_EQ(read_decoder_config(config, "config.json").head_dim, 20);
}

TEST(DecoderConfig, TakesTransformersDefaultsWhereAFamilyHasThem) {
  Json config = with("num_attention_heads", 32);
  config["architectures"] = Json::array({"MistralForCausalLM"});
  EXPECT_EQ(read_decoder_config(config, "config.json").kv_heads, 8);
  config["architectures"] = Json::array({"Qwen3ForCausalLM"});
  EXPECT_EQ(read_decoder_config(config, "config.json").kv_heads, 32);
  EXPECT_EQ(read_decoder_config(config, "config.json").head_dim, 128);
}

TEST(DecoderConfig, RefusesNumbersThatCannotBe) {
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}) {
    for (const Json& value :
         {Json(0), Json(-1), Json(1e9), Json(int64_t{1} << 62), Json("64"), Json(1.5), Json::array()}) {
      expect_refused(with(key, value), key);
    }
    Json config = small_config();
    config.erase(key);
    expect_refused(config, key);
  }
  expect_refused(with("num_key_value_heads", 16), "num_key_value_heads");
  expect_refused(with("num_key_value_heads", 0), "num_key_value_heads");
  expect_refused(with("head_dim", 0), "head_dim");
  expect_refused(with("rope_theta", 0), "rope_theta");
  expect_refused(with("rms_norm_eps", -1), "rms_norm_eps");
  expect_refused(with("hidden_act", "gelu"), "gelu");
  expect_refused(with("eos_token_id", "</s>"), "eos_token_id");
  expect_refused(with("bos_token_id", -5), "bos_token_id");
  expect_refused(with("max_position_embeddings", 0), "max_position_embeddings");
  expect_refused(Json::array(), "object");
}

TEST(DecoderConfig, NamesTheSupportedArchitecturesToOneItDoesNotKnow) {
  expect_refused(with("architectures", Json::array({"GPT2LMHeadModel"})), "GPT2LMHeadModel");
  expect_refused(with("architectures", Json::array({"GPT2LMHeadModel"})), "Qwen3ForCausalLM");
  expect_refused(with("architectures", Json::array()), "LlamaForCausalLM");
  expect_refused(with("architectures", nullptr), "LlamaForCausalLM");
}

TEST(DecoderConfig, ReadsRopeInTheOldAndTheNewSpelling) {
  const Json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 64}};
  Json old_style = with("rope_scaling", scaling);
  old_style["rope_theta"] = 500000.0;
  Json new_style = with("rope_parameters", scaling);
  new_style["rope_parameters"]["rope_theta"] = 500000.0;
  const auto a = read_decoder_config(old_style, "config.json").rope,
             b = read_decoder_config(new_style, "config.json").rope;
  EXPECT_EQ(a.kind, RopeKind::llama3);
  EXPECT_EQ(a.theta, 500000.0);
  EXPECT_EQ(a.original_positions, 64);
  EXPECT_EQ(make_rope(a, 8, 2048).frequencies, make_rope(b, 8, 2048).frequencies);
  new_style["original_max_position_embeddings"] = 32;
  EXPECT_EQ(read_decoder_config(new_style, "config.json").rope.original_positions, 32) << "the top level wins";
  new_style["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2}};
  EXPECT_EQ(read_decoder_config(new_style, "config.json").rope.kind, RopeKind::linear) << "rope_scaling wins";
  expect_refused(with("rope_scaling", {{"type", "longrope"}, {"factor", 2}}), "longrope");
  expect_refused(with("rope_scaling", {{"type", "linear"}}), "factor");
  expect_refused(with("rope_scaling", {{"type", "linear"}, {"factor", 0}}), "factor");
  expect_refused(with("rope_scaling", {{"type", "linear"}, {"factor", "2"}}), "factor");
  expect_refused(with("rope_scaling", "linear"), "rope_scaling");
}

TEST(DecoderConfig, SlidesTheWindowWhereTheFamilyDoes) {
  Json mistral = with("architectures", Json::array({"MistralForCausalLM"}));
  mistral["sliding_window"] = 8;
  EXPECT_EQ(read_decoder_config(mistral, "config.json").windows, (std::vector<int64_t>{8, 8}));
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(read_decoder_config(mistral, "config.json").windows, (std::vector<int64_t>{0, 0}));
  Json qwen = with("architectures", Json::array({"Qwen2ForCausalLM"}));
  qwen["num_key_value_heads"] = 8;
  qwen["sliding_window"] = 8;
  qwen["max_window_layers"] = 1;
  EXPECT_EQ(read_decoder_config(qwen, "config.json").windows, (std::vector<int64_t>{0, 0}));
  qwen["use_sliding_window"] = true;
  EXPECT_EQ(read_decoder_config(qwen, "config.json").windows, (std::vector<int64_t>{0, 8}));
  qwen["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(read_decoder_config(qwen, "config.json").windows, (std::vector<int64_t>{8, 0}));
  qwen["layer_types"] = {"sliding_attention"};
  expect_refused(qwen, "layer_types");
  qwen["layer_types"] = {"sliding_attention", "chunked_attention"};
  expect_refused(qwen, "chunked_attention");
}

}  // namespace
}  // namespace octet
