#include "train/language_model.h"

#include "ops/loss.h"

namespace octet::train {
namespace {

Tensor logits_of(Context& ctx, const Decoder& decoder, const Batch& batch, LayerOutputs* layers = nullptr) {
  std::vector<Input> inputs;
  for (const auto& tokens : batch.inputs) inputs.push_back({tokens, nullptr});
  return decoder.logits(ctx, decoder.forward(ctx, inputs, layers));
}

}  // namespace

LanguageModel::LanguageModel(const DecoderConfig& config, Tape& tape, const TrainableParts& parts,
                             Distillation distillation, bool recompute)
    : model_(make_trainable(config, tape, parts)), distiller_(std::move(distillation), config.hidden, tape) {
  model_.decoder.recompute = recompute;
}

Tensor LanguageModel::loss(Context& ctx, const Batch& batch) {
  LayerOutputs layers = distiller_.wanted();
  const Tensor logits = logits_of(ctx, model_.decoder, batch, &layers);
  const Tensor hard = cross_entropy(ctx, logits, batch.targets);
  return distiller_ ? distiller_.loss(ctx, batch, hard, logits, layers) : hard;
}

Score LanguageModel::score(Context& ctx, const Batch& batch) {
  return {cross_entropy(ctx, logits_of(ctx, model_.decoder, batch), batch.targets).f32()[0]};
}

}  // namespace octet::train
