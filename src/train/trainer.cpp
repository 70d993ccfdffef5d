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

Tensor Trainer::forward(const TokenBatch& batch) {
  std::vector<Input> inputs;
  std::vector<int32_t> targets;
  for (size_t i = 0; i < batch.inputs.size(); ++i) {
    inputs.push_back({batch.inputs[i], nullptr});
    targets.insert(targets.end(), batch.targets[i].begin(), batch.targets[i].end());
  }
  const Tensor hidden = model_.decoder.forward(ctx_, inputs);
  return cross_entropy(ctx_, model_.decoder.logits(ctx_, hidden), targets);
}

double Trainer::loss(const TokenBatch& batch) {
  tape_.set_recording(false);
  const float loss = forward(batch).f32()[0];
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
    const Tensor loss = forward(batch);
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
