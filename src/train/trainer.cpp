#include "train/trainer.h"

#include "base/error.h"
#include "ops/loss.h"

namespace octet::train {

Trainer::Trainer(const DecoderConfig& config, const TrainableParts& parts, const TrainerOptions& options,
                 Threads& threads)
    : options_(options), threads_(threads), ctx_(threads), model_(make_trainable(config, tape_, parts)) {
  check(options.optimizer);
  ctx_.tape = &tape_;
  tape_.seed = options.seed;
  model_.decoder.recompute = options.recompute;
  for (const Parameter& p : model_.parameters) states_.emplace_back(options.optimizer, p.value.elements());
}

namespace {

Tensor logits_of(Context& ctx, const Decoder& decoder, const TokenBatch& batch) {
  std::vector<Input> inputs;
  for (const auto& tokens : batch.inputs) inputs.push_back({tokens, nullptr});
  return decoder.logits(ctx, decoder.forward(ctx, inputs));
}

}  // namespace

Teacher::Teacher(const DecoderConfig& config, const TrainableParts& parts, Threads& threads)
    : ctx_(threads), model_(make_trainable(config, tape_, parts)) {
  ctx_.tape = &tape_;
  tape_.set_recording(false);
}

Tensor Teacher::logits(const TokenBatch& batch) {
  return logits_of(ctx_, model_.decoder, batch);
}

Tensor Trainer::forward(const TokenBatch& batch, bool distils) {
  std::vector<int32_t> targets;
  for (const auto& row : batch.targets) targets.insert(targets.end(), row.begin(), row.end());
  const Tensor logits = logits_of(ctx_, model_.decoder, batch);
  Tensor loss = cross_entropy(ctx_, logits, targets);
  const Distillation& d = options_.distillation;
  if (!distils || !d.teacher) return loss;
  const Tensor soft = kl_divergence(ctx_, logits, d.teacher->logits(batch), static_cast<float>(d.temperature));
  return mix(ctx_, loss, static_cast<float>(1 - d.weight), soft, static_cast<float>(d.weight));
}

double Trainer::loss(const TokenBatch& batch) {
  tape_.set_recording(false);
  const float loss = forward(batch, false).f32()[0];
  tape_.set_recording(true);
  return loss;
}

void Trainer::check_finite(double loss, double norm) {
  if (std::isfinite(loss) && std::isfinite(norm)) return;
  for (const Parameter& p : model_.parameters) {
    const Tensor& gradient = tape_.gradient(p.value);
    if (gradient.empty()) continue;
    const double sum = sum_of_squares({gradient.f32(), static_cast<size_t>(gradient.elements())}, threads_);
    if (std::isfinite(sum)) continue;
    fail("step {}: the loss is {} and the gradient of {} is not finite; lower the learning rate", steps_ + 1, loss,
         p.name);
  }
  fail("step {}: the loss is {}; lower the learning rate", steps_ + 1, loss);
}

Trainer::Step Trainer::step(std::span<const TokenBatch> batches, double learning_rate) {
  tape_.step = static_cast<uint32_t>(steps_ + 1);
  tape_.clear_gradients();
  const auto share = static_cast<float>(1.0 / static_cast<double>(batches.size()));
  Step result;
  for (const TokenBatch& batch : batches) {
    const Tensor loss = forward(batch, true);
    result.loss += loss.f32()[0] / static_cast<double>(batches.size());
    tape_.backward(ctx_, loss, share);
  }
  double squares = 0;
  for (const Parameter& p : model_.parameters) {
    const Tensor& gradient = tape_.gradient(p.value);
    if (!gradient.empty())
      squares += sum_of_squares({gradient.f32(), static_cast<size_t>(gradient.elements())}, threads_);
  }
  result.gradient_norm = std::sqrt(squares);
  check_finite(result.loss, result.gradient_norm);
  ++steps_;
  for (size_t i = 0; i < model_.parameters.size(); ++i) {
    Parameter& p = model_.parameters[i];
    const Tensor& gradient = tape_.gradient(p.value);
    if (gradient.empty()) continue;
    StepOptions step{learning_rate,
                     is_decayed(p.name, static_cast<int64_t>(p.value.shape().size())) ? options_.weight_decay : 0};
    step.gradient_scale = clip_coefficient(result.gradient_norm, options_.clip);
    step.step = steps_;
    const auto n = static_cast<size_t>(p.value.elements());
    optimizer_step(options_.optimizer, step, {p.value.f32(), n}, {gradient.f32(), n}, states_[i], threads_);
  }
  for (const Weight& weight : model_.linears) {
    TrainedWeight& w = *weight.trained();
    for (AmaxHistory* history : {&w.x_amax, &w.w_amax, &w.dy_amax}) history->end_step();
  }
  tape_.clear_gradients();
  return result;
}

}  // namespace octet::train
