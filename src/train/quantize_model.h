#pragma once
#include "models/trainable.h"
#include "train/config.h"
#include "train/recipe/recipe.h"
#include "train/setup.h"

namespace octet::train {

/// Steps behind the `steps` of a run, in which the model has been compressed; nullopt: it is not, or quantization-aware
/// from the start.
std::optional<int64_t> quantized_steps(const TrainConfig& config, const Precision& precision, int64_t steps);

/// Where the float model is saved before it is compressed.
std::filesystem::path float_model(const TrainConfig& config);

/// Compresses output/float into output/quantized by the recipe's algorithm, calibrated on the training texts; it
/// replaces what is there.
void compress_float_model(const TrainConfig& config, const Precision& precision, Threads& threads);

/// SHA-256 of what the two directories hold of a model.
std::string hash_of_models(const TrainConfig& config);

/// The recipe from there on: output/quantized goes on and learns from the logits of output/float alone, by Adam.
TrainConfig quantized_config(const TrainConfig& config);

/// Only the quantized matrices are trained then: the rest is BF16 in what is saved, and steps of theirs would be lost.
void freeze_all_but_quantized(Trainer& trainer);

/// The learning rate of these steps where the recipe gives none: Adam moves a weight by a thousandth of the weights'
/// root mean square, a thirtieth of what INT8 codes lie apart, so that roundings change and little else.
double quantized_rate(const Trainable& model);

}  // namespace octet::train
