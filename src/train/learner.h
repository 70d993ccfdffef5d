#pragma once
#include <span>
#include <vector>

#include "models/trainable.h"
#include "ops/context.h"

namespace octet::train {

/// Examples that go through a model at once: tokens of each sequence, and what they are to be answered with.
struct Batch {
  std::vector<std::span<const int32_t>> inputs;
  std::vector<int32_t> targets;  // what follows each token, sequence after sequence; or a label a sequence

  int64_t size() const { return static_cast<int64_t>(inputs.size()); }
  int64_t tokens() const {
    int64_t sum = 0;
    for (const auto& sequence : inputs) sum += static_cast<int64_t>(sequence.size());
    return sum;
  }
};

/// How a model does on a batch.
struct Score {
  double loss = 0;       // mean
  int64_t correct = -1;  // examples answered rightly; -1: there is no such thing
};

/// A model that is trained, and its loss. Its numbers are parameters of the trainer's tape.
class Learner {
 public:
  virtual ~Learner() = default;
  virtual Trainable& model() = 0;
  /// Trained as well, but no part of the model that is saved.
  virtual std::span<const Parameter> helpers() const { return {}; }
  /// What training makes smaller: the mean over the batch, [1].
  virtual Tensor loss(Context& ctx, const Batch& batch) = 0;
  /// What validation measures; nothing is recorded.
  virtual Score score(Context& ctx, const Batch& batch) = 0;
};

}  // namespace octet::train
