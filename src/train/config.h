#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "text/train_word_level.h"
#include "train/data.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace octet::train {

/// What a RECIPE.yaml of `octet train` says, every field checked (docs/training.md). Paths are relative to the recipe.
struct TrainConfig {
  std::filesystem::path recipe;     // the file itself
  std::filesystem::path output;     // of the run: its log, its checkpoint, and model/
  std::filesystem::path tokenizer;  // a directory with tokenizer.json
  std::filesystem::path from;       // a model to go on with; empty: a new one
  std::string model;                // of a new one: keys of config.json, as JSON
  std::string precision = "fp32";   // or qat:SCHEME
  bool head = false;                // the precision is the head's, too
  DType dtype = DType::F32;         // of the result
  uint64_t seed = 1;

  DataOptions data;
  PaddingOptions padding;       // of classifiers
  WordLevelOptions vocabulary;  // of one that is made from the training texts, where there is no tokenizer
  std::vector<std::filesystem::path> train, validation;
  int64_t sequence_length = 256, batch_size = 8;
  int64_t accumulate = 1;               // micro-batches of a step, of all processes together
  DType reduce_dtype = DType::F32;      // in which gradients are summed over them
  std::string end_of_text;              // the token behind every document; empty: none
  bool end_of_text_is_default = false;  // then a tokenizer need not have it
  bool shuffle = true;
  /// Fields of `data` that were given and only classifiers, or only language models, look at.
  std::vector<std::string> classifier_fields, language_model_fields;

  int64_t steps = 0;
  double epochs = 0;  // where steps are not given
  OptimizerOptions optimizer;
  double learning_rate = 1e-3, weight_decay = 0.1, clip = 1;
  Schedule schedule;
  double warmup = -1;  // share of the steps, where warmup_steps are not given
  bool recompute = false;

  int64_t validate_every = 0, validation_tokens = 100'000, checkpoint_every = 0, log_every = 10, patience = 0;

  std::filesystem::path teacher;  // of distillation; empty: none
  double distillation_weight = 0.5, temperature = 2, hidden_weight = 0;
  std::vector<std::array<int64_t, 2>> hidden_layers;  // student's and teacher's; empty: evenly spread

  /// Of qat: quantization-aware from the first step; or all steps in BF16, then the model is compressed, and so many
  /// more make it like its float form (-1: as many, at most 100).
  bool quantized_from_start = false;
  int64_t quantized_steps = -1;
  std::string algorithm = "default";  // of compressing
  double quantized_rate = 0;          // learning rate of the steps after it; 0: follows from the weights

  /// SHA-256 of everything that decides the numbers: what a checkpoint must have been made with.
  std::string fingerprint;
};

/// Throws Error naming the file and the field: unknown, of the wrong type, out of range, contradictory. So many
/// `processes` share the micro-batches of a step; where the recipe does not say how many there are, each has one.
TrainConfig read_train_config(const std::filesystem::path& recipe, int processes = 1);
TrainConfig parse_train_config(std::string_view yaml, const std::filesystem::path& recipe, int processes = 1);

}  // namespace octet::train
