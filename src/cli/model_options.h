#pragma once
#include <string>
#include <vector>

#include "run/model.h"

namespace CLI {
class App;
}

namespace octet::cli {

/// What run, eval and bench take to load a model.
struct ModelOptions {
  std::string model, scheme, kv_cache = "auto";
  std::vector<std::string> include;
};

/// Names of all schemes and INT8, for an option's check and completion.
std::vector<std::string> scheme_names();

void add_model_options(CLI::App& app, ModelOptions& options);

/// Loads the model under a progress bar, quantized as --scheme says; its warnings go to standard error.
Model load_model(const ModelOptions& options, Threads& threads);

/// The same without the tokenizer.
LoadedDecoder load_decoder(const ModelOptions& options, Threads& threads);

/// Loads `directory` as it is.
Model load_plain_model(const std::string& directory, Threads& threads);

}  // namespace octet::cli
