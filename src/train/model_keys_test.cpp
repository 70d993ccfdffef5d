#include "train/model_keys.h"

#include "base/errors_for_tests.h"
#include "base/json.h"

namespace octet::train {
namespace {

const ClassifierKind* kind(std::string_view model_type) {
  for (const ClassifierKind& kind : classifier_kinds()) {
    if (kind.model_type == model_type) return &kind;
  }
  return nullptr;
}

void refuses(const std::string& model, const ClassifierKind* kind, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(model);
  expect_error([&] { check_model_keys(parse_json(model, "x"), kind, "r.yaml: model"); }, {"r.yaml: model: "});
  expect_error([&] { check_model_keys(parse_json(model, "x"), kind, "r.yaml: model"); }, parts);
}

TEST(ModelKeys, RefusesWhatNothingReads) {
  refuses(R"({"hiden_act": "silu"})", nullptr,
          {"\"hiden_act\" is no key of a language model", "did you mean hidden_act?"});
  refuses(R"({"num_kv_heads": 2})", nullptr, {"num_kv_heads", "did you mean num_"});
  refuses(R"({"zzzzzzzzz": 2})", nullptr, {"take it out"});
  refuses(R"({"pooling": "last"})", nullptr, {"pooling"});
  refuses(R"({"poling": "last"})", kind("octet_lstm_classifier"), {"did you mean pooling?"});
  refuses(R"({"num_hidden_layers": 2})", kind("octet_lstm_classifier"), {"num_hidden_layers"});
  refuses(R"({"layer_norm_epsilon": 1})", kind("bert"), {"did you mean layer_norm_eps?"});
}

TEST(ModelKeys, TakesDropoutOnlyWhereItIsNone) {
  refuses(R"({"attention_dropout": 0.5})", nullptr, {"attention_dropout is 0.5", "without dropout"});
  refuses(R"({"hidden_dropout_prob": 0.1})", kind("bert"), {"hidden_dropout_prob is 0.1", "without dropout"});
  EXPECT_NO_THROW(check_model_keys(parse_json(R"({"attention_dropout": 0.0})", "x"), nullptr, "x"));
  EXPECT_NO_THROW(check_model_keys(parse_json(R"({"classifier_dropout": null})", "x"), kind("bert"), "x"));
}

TEST(ModelKeys, TakesWhatTransformersWrites) {
  const Json llama = parse_json(R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false,
      "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 0, "head_dim": 32, "hidden_act": "silu",
      "hidden_size": 64, "initializer_range": 0.02, "intermediate_size": 128, "max_position_embeddings": 64,
      "mlp_bias": false, "model_type": "llama", "num_attention_heads": 2, "num_hidden_layers": 2,
      "num_key_value_heads": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-6, "rope_scaling": null, "rope_theta": 1e4,
      "tie_word_embeddings": true, "torch_dtype": "float32", "transformers_version": "4.50.0", "use_cache": true,
      "vocab_size": 300})",
                                "x");
  EXPECT_NO_THROW(check_model_keys(llama, nullptr, "x"));
}

TEST(ModelKeys, RefusesTokenIdsOutsideTheVocabulary) {
  const auto check = [](const std::string& ids) {
    check_token_ids(parse_json("{\"vocab_size\": 512, " + ids + "}", "x"), "r.yaml: model");
  };
  expect_error([&] { check("\"bos_token_id\": 5000"); }, {"r.yaml: model: bos_token_id is 5000", "0 to 511"});
  expect_error([&] { check("\"eos_token_id\": [1, 512]"); }, {"eos_token_id is [1,512]"});
  expect_error([&] { check("\"pad_token_id\": -1"); }, {"pad_token_id is -1"});
  expect_error([&] { check("\"pad_token_id\": \"x\""); }, {"pad_token_id is \"x\""});
  EXPECT_NO_THROW(check("\"bos_token_id\": 511, \"eos_token_id\": [0, 1], \"pad_token_id\": null"));
}

}  // namespace
}  // namespace octet::train
