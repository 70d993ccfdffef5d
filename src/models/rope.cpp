#include "models/rope.h"

#include <cmath>
#include <numbers>

namespace octet {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

// theta^(-2i/d) for i = 0 … d/2-1.
std::vector<double> plain_frequencies(double theta, int64_t d) {
  std::vector<double> frequencies(static_cast<size_t>(d / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(d));
  }
  return frequencies;
}

// The base grows with the length beyond what the model was trained on.
double dynamic_theta(const RopeConfig& rope, int64_t d, int64_t max_positions, int64_t length) {
  const double ratio = static_cast<double>(std::max(length, max_positions)) / static_cast<double>(max_positions);
  const auto dim = static_cast<double>(d);
  return rope.theta * std::pow(rope.factor * ratio - (rope.factor - 1), dim / (dim - 2));
}

// Long wavelengths are stretched, short ones kept, those between blended.
double llama3_frequency(const RopeConfig& rope, double frequency) {
  const double wavelength = kTwoPi / frequency;
  const auto original = static_cast<double>(rope.original_positions);
  if (wavelength < original / rope.high_frequency_factor) return frequency;
  if (wavelength > original / rope.low_frequency_factor) return frequency / rope.factor;
  const double kept =
      (original / wavelength - rope.low_frequency_factor) / (rope.high_frequency_factor - rope.low_frequency_factor);
  return (1 - kept) * frequency / rope.factor + kept * frequency;
}

void apply_yarn(const RopeConfig& rope, int64_t d, std::vector<double>& frequencies) {
  const auto dim = static_cast<double>(d);
  const auto dimension_of = [&](double rotations) {
    return dim * std::log(static_cast<double>(rope.original_positions) / (rotations * kTwoPi)) /
           (2 * std::log(rope.theta));
  };
  double low = dimension_of(rope.beta_fast), high = dimension_of(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double stretched = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * stretched + frequencies[i] * (1 - stretched);
  }
}

double yarn_attention_factor(const RopeConfig& rope) {
  if (rope.attention_factor > 0) return rope.attention_factor;
  const auto scale = [&](double m) { return rope.factor <= 1 ? 1.0 : 0.1 * m * std::log(rope.factor) + 1; };
  const bool both = rope.mscale != 0 && rope.mscale_all_dim != 0;
  return both ? scale(rope.mscale) / scale(rope.mscale_all_dim) : scale(1);
}

}  // namespace

Rope make_rope(const RopeConfig& config, int64_t head_dim, int64_t max_positions, int64_t length) {
  const auto d = static_cast<int64_t>(static_cast<double>(head_dim) * config.partial);
  const bool dynamic = config.kind == RopeKind::dynamic;
  auto frequencies = plain_frequencies(dynamic ? dynamic_theta(config, d, max_positions, length) : config.theta, d);
  Rope rope;
  if (config.kind == RopeKind::yarn) {
    apply_yarn(config, d, frequencies);
    rope.attention_factor = yarn_attention_factor(config);
  }
  for (double frequency : frequencies) {
    if (config.kind == RopeKind::linear) frequency /= config.factor;
    if (config.kind == RopeKind::llama3) frequency = llama3_frequency(config, frequency);
    rope.frequencies.push_back(static_cast<float>(frequency));  // as Transformers holds them
  }
  return rope;
}

}  // namespace octet
