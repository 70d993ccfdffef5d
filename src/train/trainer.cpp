#include "train/trainer.h"

#include <cmath>

#include "base/error.h"

namespace octet::train {

Trainer::Trainer(const MakeLearner& make, const TrainerOptions& options, Threads& threads)
    : options_(options), threads_(threads), ctx_(threads) {
  check(options.optimizer);
  ctx_.tape = &tape_;
  tape_.seed = options.seed;
  learner_ = make(tape_);
  for (const Parameter& p : model().parameters) states_.emplace_back(options.optimizer, p.value.elements());
}

void Trainer::learn(const std::vector<Parameter>& parameters) {
  for (const Parameter& p : parameters) {
    learned_.push_back(p);
    learned_states_.emplace_back(options_.optimizer, p.value.elements());
  }
}

Score Trainer::score(const Batch& batch) {
  tape_.set_recording(false);
  const Score score = learner_->score(ctx_, batch);
  tape_.set_recording(true);
  return score;
}

void Trainer::check_finite(double loss, double norm) {
  if (std::isfinite(loss) && std::isfinite(norm)) return;
  for (const Parameter& p : model().parameters) {
    const Tensor& gradient = tape_.gradient(p.value);
    if (gradient.empty()) continue;
    const double sum = sum_of_squares({gradient.f32(), static_cast<size_t>(gradient.elements())}, threads_);
    if (std::isfinite(sum)) continue;
    fail("step {}: the loss is {} and the gradient of {} is not finite; lower the learning rate", steps_ + 1, loss,
         p.name);
  }
  fail("step {}: the loss is {}; lower the learning rate", steps_ + 1, loss);
}

/// Of all micro-batches, in their order; gives the mean loss.
double Trainer::add_gradients(std::span<const Batch> batches) {
  const auto share = static_cast<float>(1.0 / static_cast<double>(batches.size()));
  double mean = 0;
  for (const Batch& batch : batches) {
    const Tensor loss = learner_->loss(ctx_, batch);
    mean += loss.f32()[0] / static_cast<double>(batches.size());
    tape_.backward(ctx_, loss, share);
  }
  return mean;
}

double Trainer::gradient_norm() {
  double squares = 0;
  for (const Parameter& p : model().parameters) {
    const Tensor& gradient = tape_.gradient(p.value);
    if (!gradient.empty())
      squares += sum_of_squares({gradient.f32(), static_cast<size_t>(gradient.elements())}, threads_);
  }
  return std::sqrt(squares);
}

void Trainer::update(const StepOptions& step) {
  for (size_t i = 0; i < states_.size(); ++i) {
    Parameter& p = model().parameters[i];
    const Tensor& gradient = tape_.gradient(p.value);
    if (gradient.empty()) continue;
    StepOptions own = step;
    if (is_decayed(p.name, static_cast<int64_t>(p.value.shape().size()))) own.weight_decay = options_.weight_decay;
    const auto n = static_cast<size_t>(p.value.elements());
    optimizer_step(options_.optimizer, own, {p.value.f32(), n}, {gradient.f32(), n}, states_[i], threads_);
  }
}

void Trainer::update_learned(const StepOptions& step) {
  for (size_t i = 0; i < learned_.size(); ++i) {
    const Tensor& gradient = tape_.gradient(learned_[i].value);
    if (gradient.empty()) continue;
    const auto n = static_cast<size_t>(gradient.elements());
    float* value = learned_[i].value.f32();
    std::vector<float> logarithms(n), slopes(n);
    for (size_t j = 0; j < n; ++j) {
      logarithms[j] = std::log(value[j]);
      slopes[j] = gradient.f32()[j] / value[j];  // a small step then changes the number as it would without logarithms
    }
    optimizer_step(options_.optimizer, step, logarithms, slopes, learned_states_[i], threads_);
    for (size_t j = 0; j < n; ++j) value[j] = std::exp(logarithms[j]);
  }
}

Trainer::Step Trainer::step(std::span<const Batch> batches, double learning_rate) {
  tape_.step = static_cast<uint32_t>(steps_ + 1);
  tape_.clear_gradients();
  Step result;
  result.loss = add_gradients(batches);
  result.gradient_norm = gradient_norm();
  check_finite(result.loss, result.gradient_norm);
  ++steps_;
  const StepOptions step{learning_rate, 0, clip_coefficient(result.gradient_norm, options_.clip), steps_};
  update(step);
  update_learned(step);
  for (const Weight& weight : model().linears) {
    TrainedWeight& w = *weight.trained();
    if (w.aware) w.aware->end_step();
    for (AmaxHistory* history : {&w.x_amax, &w.w_amax, &w.dy_amax}) history->end_step();
  }
  tape_.clear_gradients();
  return result;
}

}  // namespace octet::train
