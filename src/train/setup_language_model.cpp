#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/sha256.h"
#include "models/architectures.h"
#include "text/tokenizer.h"
#include "train/initial_weights.h"
#include "train/language_model.h"
#include "train/model_keys.h"
#include "train/setup.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

std::vector<int32_t> tokens_of(const std::vector<fs::path>& files, const TrainConfig& config,
                               const Tokenizer& tokenizer, int32_t end_of_text, Threads& threads, Sha256& hash) {
  std::vector<int32_t> tokens;
  for (const fs::path& file : files) {
    const auto documents = read_documents(file, config.data);
    const auto more = encode_documents(tokenizer, documents, end_of_text, threads);
    tokens.insert(tokens.end(), more.begin(), more.end());
  }
  hash.update(std::as_bytes(std::span(tokens)));
  return tokens;
}

/// What is too short is an Error that names the recipe's field and its first file.
std::unique_ptr<PackedTokens> packed(std::vector<int32_t> tokens, const TrainConfig& c, const char* field,
                                     const fs::path& file) {
  try {
    return std::make_unique<PackedTokens>(std::move(tokens), c.sequence_length);
  } catch (const Error& e) {
    fail("{}: data: {} ({}): {}", c.recipe.string(), field, printable(file.string()), e.what());
  }
}

void read_data(const TrainConfig& config, const Tokenizer& tokenizer, int32_t end_of_text, Threads& threads,
               Setup& setup) {
  Sha256 hash;
  const int64_t length = config.sequence_length;
  setup.train =
      packed(tokens_of(config.train, config, tokenizer, end_of_text, threads, hash), config, "train", config.train[0]);
  if (!config.validation.empty()) {
    auto tokens = tokens_of(config.validation, config, tokenizer, end_of_text, threads, hash);
    const auto most = static_cast<size_t>(config.validation_tokens / length * length + 1);
    if (tokens.size() > most && most > static_cast<size_t>(length)) tokens.resize(most);
    setup.validation = packed(std::move(tokens), config, "validation", config.validation[0]);
  }
  setup.data_hash = hash.hex();
}

/// The model's config.json: the recipe's keys, completed by what the tokenizer says; or that of the model to go on
/// with.
Json model_config(const TrainConfig& config, const Tokenizer& tokenizer, std::optional<int32_t> end_of_text) {
  if (!config.from.empty()) return read_json(config.from / "config.json");
  Json json = parse_json(config.model, config.recipe.string() + ": model");
  const std::string name =
      json_value<std::string>(json, "architecture", "LlamaForCausalLM", config.recipe.string() + ": model");
  json.erase("architecture");
  if (!json.contains("architectures")) json["architectures"] = {name};
  std::string type = json["architectures"][0].get<std::string>();
  type = type.substr(0, type.find("ForCausalLM"));
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  json["model_type"] = type;
  if (!json.contains("vocab_size")) json["vocab_size"] = tokenizer.vocabulary_size();
  if (!json.contains("max_position_embeddings")) json["max_position_embeddings"] = config.sequence_length;
  if (!json.contains("hidden_act")) json["hidden_act"] = "silu";
  // Transformers' defaults are those of models of 7 B.
  if (json.contains("num_attention_heads") && json.value("num_key_value_heads", Json()).is_null())
    json["num_key_value_heads"] = json["num_attention_heads"];
  for (const char* key : {"bos_token_id", "eos_token_id"}) {
    if (!json.contains(key)) json[key] = end_of_text ? Json(*end_of_text) : Json(nullptr);
  }
  check_token_ids(json, config.recipe.string() + ": model");
  return json;
}

void check_model(const DecoderConfig& model, const TrainConfig& config, const Tokenizer& tokenizer) {
  if (tokenizer.vocabulary_size() > model.vocabulary) {
    fail("{}: the tokenizer has {} tokens and the model only {}", config.recipe.string(), tokenizer.vocabulary_size(),
         model.vocabulary);
  }
  if (config.sequence_length > model.max_positions) {
    fail("{}: data.sequence_length {} is longer than the model's {} positions", config.recipe.string(),
         config.sequence_length, model.max_positions);
  }
}

std::shared_ptr<Teacher> teacher_of(const TrainConfig& c, const DecoderConfig& student, Threads& threads) {
  const std::string where = (c.teacher / "config.json").string();
  const DecoderConfig config = read_decoder_config(read_json(c.teacher / "config.json"), where);
  if (config.vocabulary != student.vocabulary) {
    fail("{}: the teacher has {} tokens and the student {}; they must be the same", where, config.vocabulary,
         student.vocabulary);
  }
  if (config.max_positions < c.sequence_length) {
    fail("{}: data.sequence_length {} is longer than the teacher's {} positions", where, c.sequence_length,
         config.max_positions);
  }
  TrainableParts parts = parts_from(c.teacher);
  parts.recipe = [](const std::string&) { return recipe_named("bf16").linear; };
  return std::make_shared<Teacher>(config, parts, threads);
}

Distillation distillation_of(const TrainConfig& c, const DecoderConfig& student, Threads& threads) {
  Distillation d{teacher_of(c, student, threads), c.distillation_weight, c.temperature, c.hidden_weight, {}, c.seed};
  if (c.hidden_weight == 0) return d;
  const int64_t layers = d.teacher->config().layers;
  for (const auto& [own, others] : c.hidden_layers) {
    if (own < 0 || own > student.layers || others < 0 || others > layers) {
      fail("{}: distillation: hidden_layers: there is no pair [{}, {}]; the student has {} layers and the teacher {}",
           c.recipe.string(), own, others, student.layers, layers);
    }
    d.pairs.push_back({own, others});
  }
  if (d.pairs.empty()) d.pairs = even_pairs(student.layers, layers);
  return d;
}

/// Throws Error where the tokenizer does not have the one that the recipe names.
std::optional<int32_t> end_of_text_of(const TrainConfig& c, const Tokenizer& tokenizer) {
  if (c.end_of_text.empty()) return std::nullopt;
  const auto id = tokenizer.id_of(c.end_of_text);
  if (!id && !c.end_of_text_is_default)
    fail("{}: data.end_of_text: the tokenizer has no token {}", c.recipe.string(), json_text(c.end_of_text));
  return id;
}

/// Everything of a setup that is not its data.
void set_model(const TrainConfig& c, const Precision& precision, const Json& json, const Tokenizer& tokenizer,
               Threads& threads, Setup& setup) {
  const std::string where = c.recipe.string() + ": model";
  DecoderConfig model = read_decoder_config(json, c.from.empty() ? where : (c.from / "config.json").string());
  model.dtype = DType::F32;
  check_model(model, c, tokenizer);
  setup.config_json = json.dump();
  setup.memory = estimate_memory(model, c);
  TrainableParts parts =
      c.from.empty() ? new_parts(c.seed, json_value<double>(json, "initializer_range", 0.02, where), model.layers)
                     : parts_from(c.from);
  if (!c.from.empty()) setup.codes = codes_of(c.from);
  parts.recipe = linear_recipes(c, precision, "lm_head");
  Distillation distillation;
  if (!c.teacher.empty()) {
    distillation = distillation_of(c, model, threads);
    setup.memory.activations += teacher_activations(distillation.teacher->config(), c);
  } else if (precision.scheme && !c.quantized_from_start) {
    setup.memory.activations += teacher_activations(model, c);
    setup.memory.teacher = setup.memory.weights;
  }
  setup.learner = [=](Tape& tape) {
    return std::make_unique<LanguageModel>(model, tape, parts, distillation, c.recompute);
  };
}

}  // namespace

Setup set_up_language_model(const TrainConfig& c, const Precision& precision, Threads& threads) {
  if (c.tokenizer.empty()) fail("{}: tokenizer is missing: a directory with tokenizer.json", c.recipe.string());
  if (!c.classifier_fields.empty())
    fail("{}: data: {} is a field of classifiers; this model is none", c.recipe.string(), c.classifier_fields[0]);
  const Tokenizer tokenizer = Tokenizer::load(c.tokenizer);
  const auto end_of_text = end_of_text_of(c, tokenizer);
  for (const fs::path& model : {c.from, c.teacher}) {
    if (!model.empty()) check_tokens(tokenizer, model, c);
  }
  Setup setup;
  setup.tokenizer = c.tokenizer;
  set_model(c, precision, model_config(c, tokenizer, end_of_text), tokenizer, threads, setup);
  read_data(c, tokenizer, end_of_text.value_or(-1), threads, setup);
  return setup;
}

void replace_language_model(Setup& setup, const TrainConfig& c, const Precision& precision, Threads& threads) {
  const std::string where = (c.from / "config.json").string();
  const Json json = read_json(where);
  set_model(c, precision, json, Tokenizer::load(c.tokenizer), threads, setup);
  const DecoderConfig model = read_decoder_config(json, where);
  if (model.bos < 0 && model.eos.empty()) return;
  const int32_t first = model.bos >= 0 ? model.bos : model.eos[0];
  const auto& tokens = dynamic_cast<const PackedTokens&>(*setup.train);
  setup.train = std::make_unique<PackedTokens>(tokens.beginning_with(first));
}

}  // namespace octet::train
