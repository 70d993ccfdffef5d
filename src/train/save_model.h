#pragma once
#include <filesystem>
#include <string>

#include "models/trainable.h"

namespace octet::train {

/// Writes a Hugging Face directory: config.json (its text as given), model.safetensors with the parameters as `dtype`,
/// and the tokenizer's files from `tokenizer`. It appears whole; with `force` it replaces a model that is there.
void save_model(const std::filesystem::path& directory, const Trainable& model, const std::string& config_json,
                DType dtype, const std::filesystem::path& tokenizer, bool force);

}  // namespace octet::train
