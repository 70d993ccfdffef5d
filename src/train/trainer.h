#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/trainable.h"
#include "ops/tape.h"
#include "train/optimizer.h"

namespace octet::train {

/// Sequences of tokens and what follows each token, of one micro-batch.
struct TokenBatch {
  std::vector<std::span<const int32_t>> inputs, targets;
};

/// A model that a student learns from: its logits and nothing else. Not trained.
class Teacher {
 public:
  Teacher(const DecoderConfig& config, const TrainableParts& parts, Threads& threads);
  /// [M,V]
  Tensor logits(const TokenBatch& batch);
  int64_t vocabulary() const { return model_.decoder.config.vocabulary; }

 private:
  Tape tape_;
  Context ctx_;
  Trainable model_;
};

/// Hinton et al. 2015, arXiv:1503.02531: loss = (1 - weight) · cross-entropy + weight · temperature² · KL(teacher ||
/// student).
struct Distillation {
  std::shared_ptr<Teacher> teacher;  // nullptr: none
  double weight = 0.5, temperature = 2;
};

struct TrainerOptions {
  OptimizerOptions optimizer;
  double weight_decay = 0;  // of what is_decayed()
  double clip = 1;          // largest norm of the gradient; 0: any
  uint64_t seed = 1;
  bool recompute = false;  // a layer's activations are computed again on the way back
  Distillation distillation;
};

/// A model, its optimizer's state and the number of steps done: what a checkpoint holds.
class Trainer {
 public:
  Trainer(const DecoderConfig& config, const TrainableParts& parts, const TrainerOptions& options, Threads& threads);

  struct Step {
    double loss = 0, gradient_norm = 0;
  };
  /// One step from the mean gradient of the micro-batches, in their order. Throws Error naming step and tensor where
  /// the loss or a gradient is not finite; the weights are as before then.
  Step step(std::span<const TokenBatch> batches, double learning_rate);

  /// The mean loss of a batch, without a way back.
  double loss(const TokenBatch& batch);

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  Trainable& model() { return model_; }
  const Trainable& model() const { return model_; }
  std::vector<OptimizerState>& states() { return states_; }
  const TrainerOptions& options() const { return options_; }
  Tape& tape() { return tape_; }

 private:
  Tensor forward(const TokenBatch& batch, bool distils);
  void check_finite(double loss, double norm);
  TrainerOptions options_;
  Threads& threads_;
  Tape tape_;
  Context ctx_;
  Trainable model_;
  std::vector<OptimizerState> states_;
  int64_t steps_ = 0;
};

}  // namespace octet::train
