#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/tape.h"
#include "train/learner.h"
#include "train/optimizer.h"
#include "train/processes.h"

namespace octet::train {

struct TrainerOptions {
  OptimizerOptions optimizer;
  double weight_decay = 0;  // of what is_decayed()
  double clip = 1;          // largest norm of the gradient; 0: any
  uint64_t seed = 1;
  DType reduce_dtype = DType::F32;  // in which gradients are summed over micro-batches
  int64_t steps_before = 0;         // of a run that another trainer took: the optimizer begins anew
};

/// A model, its optimizer's state and the number of steps done: what a checkpoint holds.
class Trainer {
 public:
  /// Makes a learner whose numbers are parameters of the tape.
  using MakeLearner = std::function<std::unique_ptr<Learner>(Tape&)>;
  /// `processes` nullptr: this one alone.
  Trainer(const MakeLearner& make, const TrainerOptions& options, Threads& threads, Processes* processes = nullptr);

  struct Step {
    double loss = 0, gradient_norm = 0;
  };
  /// One step from the mean gradient of the micro-batches, in their order: the first of each process, the second of
  /// each … Every process gives as many. Throws Error naming step and tensor where the loss or a gradient is not
  /// finite; the weights are as before then.
  Step step(std::span<const Batch> batches, double learning_rate);

  /// How the model does on a batch, without a way back.
  Score score(const Batch& batch);

  /// Learned beside the model, such as step sizes: positive numbers whose logarithm is what a step moves, so that it
  /// changes them by a share whatever their size (Jain et al. 2019, arXiv:1903.08066). Before the first step.
  void learn(const std::vector<Parameter>& parameters);
  /// Keeps parameters as they are, by their places in parameters(). Before the first step.
  void freeze(std::span<const size_t> places);
  std::vector<Parameter>& learned() { return learned_; }
  std::vector<OptimizerState>& learned_states() { return learned_states_; }

  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  Trainable& model() { return learner_->model(); }
  /// The model's, and what is learned to help it.
  std::vector<Parameter>& parameters() { return parameters_; }
  std::vector<OptimizerState>& states() { return states_; }
  const TrainerOptions& options() const { return options_; }
  Tape& tape() { return tape_; }

 private:
  std::vector<Parameter> trained() const;
  double add_gradients(std::span<const Batch> batches);
  double gradient_norm();
  void update(const StepOptions& step);
  void update_learned(const StepOptions& step);
  void check_finite(double loss, double norm);
  TrainerOptions options_;
  Threads& threads_;
  Tape tape_;
  Context ctx_;
  const std::unique_ptr<Processes> alone_ = single_process();
  Processes& processes_;
  std::unique_ptr<Learner> learner_;
  std::vector<Parameter> parameters_;
  std::vector<OptimizerState> states_;
  std::vector<bool> frozen_;
  std::vector<Parameter> learned_;
  std::vector<OptimizerState> learned_states_;
  int64_t steps_ = 0;
};

}  // namespace octet::train
