#pragma once
#include <string>

#include "train/checkpoint.h"
#include "train/config.h"

namespace octet::train {

/// Takes note of a step's loss. A loss far above where it began does not come back: throws Error naming the step and
/// the tensor that has grown most, before the checkpoint is written over. `kept` is what the message ends with.
void check_loss(RunState& state, double loss, Trainer& trainer, const std::string& kept, Threads& threads);

/// The same of a compressed model's divergence from its float form, which these steps are there to bring down.
void check_divergence(RunState& state, double divergence, int64_t step, const TrainConfig& quantized);

}  // namespace octet::train
