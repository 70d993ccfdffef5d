#include "train/course.h"

#include <cmath>

#include "base/error.h"

namespace octet::train {
namespace {

/// The mean over the last ten steps or so.
double smoothed(RunState& state, double loss) {
  constexpr double kMemory = 0.9;
  if (state.first_loss == 0) state.first_loss = state.smooth_loss = loss;
  return state.smooth_loss = kMemory * state.smooth_loss + (1 - kMemory) * loss;
}

}  // namespace

void check_loss(RunState& state, double loss, Trainer& trainer, const std::string& kept, Threads& threads) {
  constexpr double kFar = 1.5;
  if (smoothed(state, loss) <= kFar * state.first_loss + 1) return;
  std::string largest;
  double most = -1;
  for (const Parameter& p : trainer.model().parameters) {
    const auto n = static_cast<size_t>(p.value.elements());
    const double mean = sum_of_squares({p.value.f32(), n}, threads) / static_cast<double>(n);
    if (mean > most) most = mean, largest = p.name;
  }
  fail(
      "step {}: the loss has risen from {:.4g} to {:.4g} and {} has grown to {:.3g} in the mean; lower the learning "
      "rate{}",
      trainer.steps(), state.first_loss, loss, largest, std::sqrt(most), kept);
}

void check_divergence(RunState& state, double divergence, int64_t step, const TrainConfig& quantized) {
  constexpr double kFar = 3, kNegligible = 0.01;  // nats
  if (smoothed(state, divergence) <= kFar * state.first_loss + kNegligible) return;
  fail(
      "step {}: the divergence from the float model has risen from {:.3g} to {:.3g}; lower quantization.learning_rate "
      "({:.3g}), or take {}, the compressed model as it was before these steps",
      step, state.first_loss, divergence, quantized.quantized_rate, quantized.from.string());
}

}  // namespace octet::train
