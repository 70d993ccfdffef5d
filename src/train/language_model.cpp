#include "train/language_model.h"

#include "ops/loss.h"

namespace octet::train {
namespace {

Tensor logits_of(Context& ctx, const Decoder& decoder, const Batch& batch) {
  std::vector<Input> inputs;
  for (const auto& tokens : batch.inputs) inputs.push_back({tokens, nullptr});
  return decoder.logits(ctx, decoder.forward(ctx, inputs));
}

}  // namespace

LanguageModel::Teacher::Teacher(const DecoderConfig& config, const TrainableParts& parts, Threads& threads)
    : ctx_(threads), model_(make_trainable(config, tape_, parts)) {
  ctx_.tape = &tape_;
  tape_.set_recording(false);
}

Tensor LanguageModel::Teacher::logits(const Batch& batch) {
  return logits_of(ctx_, model_.decoder, batch);
}

LanguageModel::LanguageModel(const DecoderConfig& config, Tape& tape, const TrainableParts& parts,
                             Distillation distillation, bool recompute)
    : model_(make_trainable(config, tape, parts)), distillation_(std::move(distillation)) {
  model_.decoder.recompute = recompute;
}

Tensor LanguageModel::loss(Context& ctx, const Batch& batch) {
  const Tensor logits = logits_of(ctx, model_.decoder, batch);
  Tensor loss = cross_entropy(ctx, logits, batch.targets);
  const Distillation& d = distillation_;
  if (!d.teacher) return loss;
  const Tensor soft = kl_divergence(ctx, logits, d.teacher->logits(batch), static_cast<float>(d.temperature));
  return mix(ctx, loss, static_cast<float>(1 - d.weight), soft, static_cast<float>(d.weight));
}

Score LanguageModel::score(Context& ctx, const Batch& batch) {
  return {cross_entropy(ctx, logits_of(ctx, model_.decoder, batch), batch.targets).f32()[0]};
}

}  // namespace octet::train
