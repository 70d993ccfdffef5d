#pragma once
#include "models/trainable.h"
#include "ops/tape.h"
#include "train/distillation.h"

namespace octet::train {

/// A decoder that learns to predict the next token.
class LanguageModel : public Learner {
 public:
  /// With `recompute` a layer's activations are computed again on the way back.
  LanguageModel(const DecoderConfig& config, Tape& tape, const TrainableParts& parts, Distillation distillation,
                bool recompute);
  Trainable& model() override { return model_; }
  std::span<const Parameter> helpers() const override { return distiller_.projections(); }
  Tensor loss(Context& ctx, const Batch& batch) override;
  Score score(Context& ctx, const Batch& batch) override;

 private:
  TrainableDecoder model_;
  Distiller distiller_;
};

}  // namespace octet::train
