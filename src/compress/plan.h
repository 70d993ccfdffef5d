#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compress/options.h"
#include "files/checkpoint.h"
#include "files/quantization_config.h"
#include "models/config.h"

namespace octet {

/// What becomes of one linear module: its matrix [N,K] as the input holds it, and as the output will.
struct ModulePlan {
  std::string name;    // "model.layers.3.mlp.up_proj"
  std::string weight;  // the tensor with its numbers, where the input is not quantized
  int64_t n = 0, k = 0;
  const ConfigGroup* from = nullptr;  // how the input is quantized; nullptr: plain
  const ConfigGroup* to = nullptr;    // how the output will be; nullptr: plain
  DType dtype = DType::BF16;          // of its numbers, plain or dequantized
  DType kept = DType::BF16;           // of the output's numbers, where it is plain
  DType scales = DType::BF16;         // of the output's scales, as stored
  int range_set = -1;                 // modules of one set share the range of one scale; -1: ranges of its own
};

/// One tensor of the output, and what it is made of.
enum class Part : uint8_t {
  copy,
  numbers,
  codes,
  scales,
  codebook,
  shape,
  input_scale,
  input_zero_point,
  k_scale,
  v_scale
};
struct OutputTensor {
  TensorInfo info;
  Part part = Part::copy;
  int module = -1;  // of plan.modules; of k_scale and v_scale: the layer
};

/// Everything that is decided before the first number is read. Points into itself: moved, never copied.
struct Plan {
  Plan() = default;
  Plan(Plan&&) = default;
  Plan& operator=(Plan&&) = default;

  DecoderConfig model;
  std::optional<QuantizationConfig> input, output;  // quantization_config before and after
  std::vector<ModulePlan> modules;
  std::vector<std::vector<int>> range_sets;  // modules
  std::vector<OutputTensor> tensors;         // in the order they are written
  std::vector<size_t> shard_ends;            // one past the last tensor of each file
  bool sharded = false;                      // files of an index; else the one model.safetensors
  bool unties_head = false;                  // the output has a head of its own, the input had none
  std::vector<std::string> warnings;
  std::string ragged;    // the one of them about widths that groups or blocks do not divide
  bool refused = false;  // other programs cannot load that
  int64_t bytes_before = 0, bytes_after = 0;
};

/// Throws Error naming file and tensor for a checkpoint that cannot be compressed, UsageError for options that
/// contradict each other or the checkpoint.
Plan make_plan(const Checkpoint& checkpoint, const CompressOptions& options);

}  // namespace octet
