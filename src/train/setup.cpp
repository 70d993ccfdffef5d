#include "train/setup.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "text/vocabulary.h"
#include "train/model_keys.h"

namespace octet::train {

std::function<LinearRecipe(const std::string& module)> linear_recipes(const TrainConfig& config,
                                                                      const Precision& precision,
                                                                      const std::string& head) {
  const LinearRecipe recipe = precision.recipe;
  const LinearRecipe of_head = config.head || config.precision == "fp32" ? recipe : recipe_named("bf16").linear;
  return [=](const std::string& module) { return module == head ? of_head : recipe; };
}

void check_tokens(const Tokenizer& tokenizer, const std::filesystem::path& directory, const TrainConfig& config) {
  const auto file = directory / "tokenizer.json";
  std::error_code ignored;
  if (std::filesystem::equivalent(directory, config.tokenizer, ignored) || !std::filesystem::exists(file)) return;
  const Tokenizer other = Tokenizer::load(file);
  const int64_t both = std::min(tokenizer.vocabulary_size(), other.vocabulary_size());
  for (int32_t id = 0; id < both; ++id) {
    if (!tokenizer.has(id) || !other.has(id)) continue;
    const std::string own = tokenizer.token_of(id), others = other.token_of(id);
    if (own == others) continue;
    fail("{}: token {} is {}, and {} in the recipe's tokenizer {}; give the tokenizer of that model", file.string(), id,
         shown(others), shown(own), config.tokenizer.string());
  }
}

namespace {

/// Of the model that the recipe describes or goes on with; nullptr: it is no classifier. Any BERT
/// goes on as one.
const ClassifierKind* classifier_asked(const TrainConfig& c) {
  const Json json =
      c.from.empty() ? parse_json(c.model, c.recipe.string() + ": model") : read_json(c.from / "config.json");
  if (const ClassifierKind* kind = classifier_kind_of(json)) return kind;
  const auto is = [&](const char* key, std::string_view value) {
    const auto found = json.find(key);
    return found != json.end() && *found == value;
  };
  for (const ClassifierKind& kind : classifier_kinds()) {
    if (is("architecture", kind.architecture) || is("model_type", kind.model_type)) return &kind;
  }
  return nullptr;
}

}  // namespace

Setup set_up(const TrainConfig& config, const Precision& precision, Threads& threads) {
  const ClassifierKind* kind = classifier_asked(config);
  const std::string where = config.recipe.string() + ": model";
  if (config.from.empty()) check_model_keys(parse_json(config.model, where), kind, where);
  if (kind) return set_up_classifier(*kind, config, precision, threads);
  return set_up_language_model(config, precision, threads);
}

}  // namespace octet::train
