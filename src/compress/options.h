#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compress/pipeline.h"
#include "files/quantization_config.h"
#include "quant/options.h"
#include "tensor/scheme.h"

namespace octet {

/// What `octet compress` is asked for.
struct CompressOptions {
  std::filesystem::path model, output;
  const Scheme* scheme = nullptr;            // of all linear layers, where `groups` says nothing else
  std::optional<QuantizationConfig> groups;  // of a recipe: which layers become what
  std::string recipe;                        // its file, for messages
  QuantizeOptions quantize;
  Pipeline pipeline;          // what is done besides rounding to the nearest; more than that needs a calibration text
  bool include_head = false;  // lm_head too
  bool kv_cache_fp8 = false;  // scales of an FP8 key-value cache
  bool watch_noise = false;   // keep what a report shows of each layer
  bool force = false;         // replace the output
  std::optional<std::filesystem::path> calibration;
  std::string calibration_sha256;  // of the text that is used of it; if empty, the file is hashed
  int64_t context = 512;           // tokens of a calibration sequence, BOS among them
  int64_t calibration_tokens = 65536;
  int64_t activation_bytes = int64_t{256} << 20;  // of activations held in memory; more go to a file
  int64_t shard_bytes = 5'000'000'000;
  /// Whether a range of some input is fixed beforehand.
  bool needs_calibration() const;
  std::string command;   // to repeat it, for octet.json
  std::string deciding;  // of it, what decides the bytes of unfinished work
};

}  // namespace octet
