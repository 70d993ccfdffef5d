#pragma once
#include <memory>
#include <string>

#include "models/classifier.h"
#include "text/tokenizer.h"
#include "train/config.h"
#include "train/memory.h"
#include "train/recipe/recipe.h"
#include "train/trainer.h"

namespace octet::train {

/// What a recipe asks for, read and checked: nothing is trained yet.
struct Setup {
  std::string config_json;                      // of the model that is saved
  std::filesystem::path tokenizer;              // the directory of its tokenizer.json
  std::unique_ptr<Examples> train, validation;  // validation nullptr: none
  std::string data_hash;                        // of the tokens, and labels if there are any
  Trainer::MakeLearner learner;
  /// The matrix of a linear in the model to go on with, where that is compressed.
  std::function<std::optional<QTensor>(const std::string& module)> codes;
  MemoryEstimate memory;
};

/// Throws Error naming the recipe, file or field that is wrong.
Setup set_up(const TrainConfig& config, const Precision& precision, Threads& threads);

Setup set_up_classifier(const ClassifierKind& kind, const TrainConfig& config, const Precision& precision,
                        Threads& threads);
Setup set_up_language_model(const TrainConfig& config, const Precision& precision, Threads& threads);

/// The model that `config` goes on with in place of the setup's, on the same data; sequences begin with the token that
/// texts begin with when the model serves.
void replace_language_model(Setup& setup, const TrainConfig& config, const Precision& precision, Threads& threads);

/// Throws Error where the model in `directory` has a tokenizer.json that gives an id of `tokenizer` another token: its
/// rows would be read as those of other tokens.
void check_tokens(const Tokenizer& tokenizer, const std::filesystem::path& directory, const TrainConfig& config);

/// The recipe of each linear by its module: `head` is the last one, which is in BF16 (F32 for fp32) unless the recipe
/// says `head: true`.
std::function<LinearRecipe(const std::string& module)> linear_recipes(const TrainConfig& config,
                                                                      const Precision& precision,
                                                                      const std::string& head);

}  // namespace octet::train
