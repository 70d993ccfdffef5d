#pragma once
#include <filesystem>
#include <string>

#include "models/trainable.h"
#include "train/config.h"
#include "train/recipe/recipe.h"

namespace octet::train {

/// Writes a Hugging Face directory: config.json (its text as given), model.safetensors with the parameters as `dtype`,
/// and the tokenizer's files from `tokenizer`. It appears whole; with `force` it replaces a model that is there.
void save_model(const std::filesystem::path& directory, const Trainable& model, const std::string& config_json,
                DType dtype, const std::filesystem::path& tokenizer, bool force);

/// The same with config.json saying the recipe's dtype, and that nothing is quantized; it replaces what is there.
void save_float_model(const std::filesystem::path& directory, const TrainConfig& config, const Trainable& model,
                      const std::string& config_json, const std::filesystem::path& tokenizer);

/// The result of a run, in output/model: as dtype says, or in the scheme that it was trained for, with the codes and
/// scales of the training's own products. `config_json` and `tokenizer` are those of Setup. Gives the directory.
std::filesystem::path save_result(const TrainConfig& config, const Precision& precision, const Trainable& model,
                                  const std::string& config_json, const std::filesystem::path& tokenizer,
                                  Threads& threads);

}  // namespace octet::train
