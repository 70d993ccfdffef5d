#include "train/model_keys.h"

#include "base/edit_distance.h"
#include "base/error.h"
#include "base/json.h"

namespace octet::train {
namespace {

using Names = std::vector<std::string_view>;

constexpr std::string_view kEvery[] = {
    "architecture", "architectures",           "model_type",        "vocab_size",   "hidden_size",
    "hidden_act",   "max_position_embeddings", "initializer_range", "bos_token_id", "eos_token_id",
    "pad_token_id"};

// What Transformers writes and no number depends on.
constexpr std::string_view kIdle[] = {"use_cache",     "torch_dtype",     "dtype",          "transformers_version",
                                      "_name_or_path", "tokenizer_class", "pretraining_tp", "gradient_checkpointing"};

constexpr std::string_view kDecoder[] = {
    "intermediate_size", "num_hidden_layers",   "num_attention_heads", "num_key_value_heads",
    "head_dim",          "rms_norm_eps",        "rope_theta",          "partial_rotary_factor",
    "rope_scaling",      "rope_parameters",     "attention_bias",      "original_max_position_embeddings",
    "mlp_bias",          "tie_word_embeddings", "sliding_window",      "use_sliding_window",
    "layer_types",       "max_window_layers"};

constexpr std::string_view kClassifier[] = {"num_labels", "id2label", "label2id", "problem_type"};
constexpr std::string_view kLstm[] = {"embedding_size", "dense_size", "pooling"};
constexpr std::string_view kEncoder[] = {"intermediate_size", "num_hidden_layers", "num_attention_heads",
                                         "type_vocab_size",   "layer_norm_eps",    "position_embedding_type"};

// Octet trains without; they may stand there as 0.
constexpr std::string_view kDropouts[] = {"attention_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob",
                                          "classifier_dropout"};

Names known_keys(const ClassifierKind* kind) {
  Names names;
  const auto add = [&](std::span<const std::string_view> more) { names.insert(names.end(), more.begin(), more.end()); };
  add(kEvery);
  add(kIdle);
  if (!kind) add(kDecoder);
  if (kind) add(kClassifier);
  if (kind && kind->encoder) add(kEncoder);
  if (kind && !kind->encoder) add(kLstm);
  return names;
}

bool is_zero(const Json& value) {
  return value.is_null() || (value.is_number() && value.get<double>() == 0);
}

}  // namespace

void check_model_keys(const Json& model, const ClassifierKind* kind, const std::string& where) {
  const Names known = known_keys(kind);
  for (const auto& [key, value] : model.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    if (std::find(std::begin(kDropouts), std::end(kDropouts), key) != std::end(kDropouts)) {
      if (is_zero(value)) continue;
      fail("{}: {} is {}; Octet trains without dropout, take it out or make it 0", where, key, json_text(value));
    }
    const std::string_view meant = closest(key, known);
    fail("{}: {} is no key of {} that Octet knows; {}", where, json_text(key), kind ? kind->what : "a language model",
         meant.empty() ? std::string("take it out") : fmt::format("did you mean {}?", meant));
  }
}

void check_token_ids(const Json& model, const std::string& where) {
  const auto vocabulary = json_value<int64_t>(model, "vocab_size", 0, where);
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    const auto found = model.find(key);
    if (found == model.end() || found->is_null()) continue;
    const Json ids = found->is_array() ? *found : Json::array({*found});
    for (const Json& id : ids) {
      const bool there = id.is_number_integer() && id >= 0 && id < vocabulary;
      if (!there) fail("{}: {} is {}; token ids are 0 to {} here", where, key, json_text(*found), vocabulary - 1);
    }
  }
}

}  // namespace octet::train
