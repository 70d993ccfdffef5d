#include "train/setup.h"

#include "base/json.h"

namespace octet::train {

std::function<LinearRecipe(const std::string& module)> linear_recipes(const TrainConfig& config,
                                                                      const Precision& precision,
                                                                      const std::string& head) {
  const LinearRecipe recipe = precision.recipe;
  const LinearRecipe of_head = config.head || config.precision == "fp32" ? recipe : recipe_named("bf16").linear;
  return [=](const std::string& module) { return module == head ? of_head : recipe; };
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
  if (const ClassifierKind* kind = classifier_asked(config))
    return set_up_classifier(*kind, config, precision, threads);
  return set_up_language_model(config, precision, threads);
}

}  // namespace octet::train
