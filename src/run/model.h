#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/threads.h"
#include "models/load.h"
#include "run/sampling.h"
#include "text/tokenizer.h"

namespace octet {

/// Cache formats by the name of --kv-cache; `auto` is what the model's dtype and its checkpoint's scales say.
Format cache_format_named(const std::string& name, const Decoder& decoder);

/// What `run`, `eval` and `bench` hold: a decoder, its tokenizer and how its makers want it sampled.
struct Model {
  std::filesystem::path directory;
  Decoder decoder;
  Tokenizer tokenizer;
  std::vector<int32_t> end_tokens;  // generation_config.json's, else config.json's
  Sampling sampling;                // generation_config.json's
  std::vector<std::string> warnings;
  double load_seconds = 0;
};

/// A model without its text, as `bench` holds it: the directory needs no tokenizer.
struct LoadedDecoder {
  Decoder decoder;
  std::vector<std::string> warnings;
  double load_seconds = 0;
};
LoadedDecoder load_decoder(const std::filesystem::path& directory, Threads& threads, LoadOptions options = {});

/// Throws Error naming file and key for what is wrong with the directory.
Model load_model(const std::filesystem::path& directory, Threads& threads, LoadOptions options = {});

}  // namespace octet
