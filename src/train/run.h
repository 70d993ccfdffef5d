#pragma once
#include <functional>

#include "train/config.h"
#include "train/memory.h"
#include "train/processes.h"

namespace octet::train {

/// What is told while a run goes on.
struct RunProgress {
  int64_t step = 0, steps = 0;
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  double validation_loss = 0;       // 0: not measured at this step
  double validation_accuracy = -1;  // share of examples; -1: not measured, or not a classifier
  bool quantized = false;           // since the model was compressed: `loss` is the divergence from its float form
  double tokens_per_second = 0, seconds_left = 0;
};

/// What a run is going to do.
struct RunPlan {
  MemoryEstimate memory;
  int64_t steps = 0, quantized_steps = 0;  // all, and those at the end that the compressed model takes
  int64_t resumed_at = 0;
};

struct RunHooks {
  std::function<void(const RunPlan&)> begin;
  std::function<void()> step;                        // one is done
  std::function<void(int64_t step)> quantize;        // the model is about to be compressed
  std::function<void(const RunProgress&)> progress;  // every log_every steps, and where the loss was validated
};

struct RunResult {
  double loss = 0, validation_loss = 0;  // of the last step; of the model that is saved, 0: no validation data
  double divergence = -1;                // KL from the float model in the last step; -1: it was not compressed before
  double validation_accuracy = -1;       // share of examples; -1: not measured, or not a classifier
  int64_t steps = 0, tokens = 0;
  double tokens_per_second = 0, seconds = 0;
  bool stopped_early = false;
  int signal = 0;  // that ended the run after its last step, which a checkpoint holds; 0: it is finished
  std::filesystem::path directory;  // of the model
};

/// Trains as the recipe says: from the start, or with `resume` from the checkpoint in its output directory. Throws
/// Error where there is a checkpoint and `resume` is not set, and for everything that makes training impossible. Of
/// several `processes` (nullptr: this one alone) each computes its share, all read the same files, and the first writes
/// and tells.
RunResult run_training(const TrainConfig& config, bool resume, Threads& threads, const RunHooks& hooks,
                       Processes* processes = nullptr);

}  // namespace octet::train
