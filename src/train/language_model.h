#pragma once
#include <memory>

#include "models/trainable.h"
#include "ops/tape.h"
#include "train/learner.h"

namespace octet::train {

/// A decoder that learns to predict the next token.
class LanguageModel : public Learner {
 public:
  /// A model that a student learns from: its logits and nothing else. Not trained.
  class Teacher {
   public:
    Teacher(const DecoderConfig& config, const TrainableParts& parts, Threads& threads);
    /// [M,V]
    Tensor logits(const Batch& batch);

   private:
    Tape tape_;
    Context ctx_;
    TrainableDecoder model_;
  };

  /// Hinton et al. 2015, arXiv:1503.02531: loss = (1 - weight) · cross-entropy + weight · temperature² · KL(teacher ||
  /// student).
  struct Distillation {
    std::shared_ptr<Teacher> teacher;  // nullptr: none
    double weight = 0.5, temperature = 2;
  };

  /// With `recompute` a layer's activations are computed again on the way back.
  LanguageModel(const DecoderConfig& config, Tape& tape, const TrainableParts& parts, Distillation distillation,
                bool recompute);
  Trainable& model() override { return model_; }
  Tensor loss(Context& ctx, const Batch& batch) override;
  Score score(Context& ctx, const Batch& batch) override;

 private:
  TrainableDecoder model_;
  Distillation distillation_;
};

}  // namespace octet::train
