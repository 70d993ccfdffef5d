#pragma once
#include <memory>
#include <span>
#include <vector>

#include "models/trainable.h"
#include "ops/tape.h"
#include "train/learner.h"

namespace octet::train {

/// Layers whose outputs [M,D] are held against one another: 1 … L, 0 is the embedding.
struct LayerPair {
  int64_t student = 0, teacher = 0;
};

/// Each of the student's layers with the teacher's that is as far on its way.
std::vector<LayerPair> even_pairs(int64_t student_layers, int64_t teacher_layers);

/// A model that a student learns from. Not trained.
class Teacher {
 public:
  Teacher(const DecoderConfig& config, const TrainableParts& parts, Threads& threads);
  struct Outputs {
    Tensor logits;        // [M,V]
    LayerOutputs layers;  // of those that were asked for
  };
  Outputs outputs(const Batch& batch, std::span<const LayerPair> pairs);
  const DecoderConfig& config() const { return model_.decoder.config; }

 private:
  Tape tape_;
  Context ctx_;
  TrainableDecoder model_;
};

/// Hinton et al. 2015, arXiv:1503.02531: loss = (1 - weight) · cross-entropy + weight · temperature² · KL(teacher ||
/// student); and hidden_weight · the mean over pairs of layers of the mean squared error between the student's,
/// projected to the teacher's width where that is another, and the teacher's (Romero et al. 2015, arXiv:1412.6550; Sun
/// et al. 2019, arXiv:1908.09355).
struct Distillation {
  std::shared_ptr<Teacher> teacher;  // nullptr: none
  double weight = 0.5, temperature = 2, hidden_weight = 0;
  std::vector<LayerPair> pairs;  // where hidden_weight is not 0
  uint64_t seed = 1;             // of the projections
};

/// A distillation with what it learns itself: the projections, parameters of a student's tape that no model keeps.
class Distiller {
 public:
  /// Where the student [width `width`] is narrower or wider than the teacher, there are projections [D,width], as
  /// PyTorch's Linear begins.
  Distiller(Distillation distillation, int64_t width, Tape& tape);
  explicit operator bool() const { return options_.teacher != nullptr; }
  std::span<const Parameter> projections() const { return projections_; }

  /// The layers of the student that loss() looks at, to be filled by its forward.
  LayerOutputs wanted() const;
  /// The mixed loss [1] from the student's cross-entropy, logits [M,V] and layers.
  Tensor loss(Context& ctx, const Batch& batch, const Tensor& hard, const Tensor& logits,
              const LayerOutputs& layers) const;

 private:
  Distillation options_;
  std::vector<Parameter> projections_;  // a pair each, or none
  std::vector<Weight> linears_;
};

}  // namespace octet::train
