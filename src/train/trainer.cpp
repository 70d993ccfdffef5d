#include "train/trainer.h"

#include <cmath>

#include "base/error.h"
#include "train/gradient_sum.h"
#include "train/seen.h"

namespace octet::train {

Trainer::Trainer(const MakeLearner& make, const TrainerOptions& options, Threads& threads, Processes* processes)
    : options_(options), threads_(threads), ctx_(threads), processes_(processes ? *processes : *alone_) {
  check(options.optimizer);
  ctx_.tape = &tape_;
  tape_.seed = options.seed;
  learner_ = make(tape_);
  parameters_ = model().parameters;
  parameters_.insert(parameters_.end(), learner_->helpers().begin(), learner_->helpers().end());
  for (const Parameter& p : parameters_) states_.emplace_back(options.optimizer, p.value.elements());
  frozen_.resize(parameters_.size());
  steps_ = options.steps_before;
}

void Trainer::freeze(std::span<const size_t> places) {
  for (const size_t place : places) {
    frozen_[place] = true;
    states_[place] = OptimizerState(options_.optimizer, 0);
  }
}

std::vector<Parameter> Trainer::trained() const {
  std::vector<Parameter> trained;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!frozen_[i]) trained.push_back(parameters_[i]);
  }
  return trained;
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
  for (const Parameter& p : parameters_) {
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
  std::vector<Parameter> trained = this->trained();
  trained.insert(trained.end(), learned_.begin(), learned_.end());
  const size_t rounds = batches.size();
  const double count = static_cast<double>(rounds) * processes_.count();
  GradientSum sum(processes_, options_.reduce_dtype);
  std::vector<double> losses;
  for (const Batch& batch : batches) {
    const Tensor loss = learner_->loss(ctx_, batch);
    losses.push_back(loss.f32()[0]);
    tape_.backward(ctx_, loss, static_cast<float>(1 / count));
    sum.add(ctx_, trained);
  }
  sum.finish(ctx_, trained);
  losses = in_turns(processes_.gathered(std::span<const double>(losses)), rounds);
  double mean = 0;
  for (const double loss : losses) mean += loss / count;
  return mean;
}

double Trainer::gradient_norm() {
  double squares = 0;
  for (const Parameter& p : trained()) {
    const Tensor& gradient = tape_.gradient(p.value);
    if (!gradient.empty())
      squares += sum_of_squares({gradient.f32(), static_cast<size_t>(gradient.elements())}, threads_);
  }
  return std::sqrt(squares);
}

void Trainer::update(const StepOptions& step) {
  for (size_t i = 0; i < states_.size(); ++i) {
    Parameter& p = parameters_[i];
    const Tensor& gradient = tape_.gradient(p.value);
    if (frozen_[i] || gradient.empty()) continue;
    StepOptions own = step;
    own.tensor = static_cast<uint32_t>(i);
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
    StepOptions own = step;
    own.tensor = static_cast<uint32_t>(states_.size() + i);
    optimizer_step(options_.optimizer, own, logarithms, slopes, learned_states_[i], threads_);
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
  const StepOptions step{learning_rate, 0, clip_coefficient(result.gradient_norm, options_.clip),
                         steps_ - options_.steps_before, options_.seed};
  update(step);
  update_learned(step);
  share_seen(processes_, model().linears);
  for (const Weight& weight : model().linears) {
    TrainedWeight& w = *weight.trained();
    if (w.aware) w.aware->end_step();
    for (AmaxHistory* history : {&w.x_amax, &w.w_amax, &w.dy_amax}) history->end_step();
  }
  tape_.clear_gradients();
  return result;
}

}  // namespace octet::train
