#pragma once
#include <span>
#include <string>
#include <utility>

#include "models/config.h"
#include "tensor/tensor.h"
#include "train/config.h"

namespace octet::train {

/// What a run will take, in bytes.
struct MemoryEstimate {
  int64_t parameters = 0, weights = 0, gradients = 0, optimizer = 0, activations = 0, operands = 0;
  int64_t teacher = 0;  // the float form of a model that is quantized on its way; another teacher is in `other`
  int64_t other = 0;    // what the program holds already: text, tokens, a teacher
  int64_t total() const { return weights + gradients + optimizer + activations + operands + teacher + other; }
};

/// `checkpointed` layers keep their input only.
MemoryEstimate estimate_memory(const DecoderConfig& config, const TrainConfig& train);
/// Of any model with these tensors, which keeps so many numbers for its way back.
MemoryEstimate estimate_memory(std::span<const std::pair<std::string, Shape>> tensors, int64_t activations,
                               const TrainConfig& train);

/// Of a teacher's forward pass, and of its probabilities.
int64_t teacher_activations(const DecoderConfig& teacher, const TrainConfig& train);

}  // namespace octet::train
