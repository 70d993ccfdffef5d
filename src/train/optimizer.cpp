#include "train/optimizer.h"

#include "base/error.h"
#include "kernels/optimizer/adam.h"
#include "train/dynamic_map.h"
#include "train/moment.h"

namespace octet::train {
namespace {

// Elements that one thread takes at once, whole blocks of the state.
constexpr int64_t kGrain = 64 * kStateBlock;

// Random numbers of moments are none that a product draws.
constexpr uint32_t kMomentNumbers = 1u << 30;

void require(bool holds, const char* field, const char* range, double value) {
  if (!holds) fail("{} is {}; it must be {}", field, value, range);
}

struct SgdStep {
  float gradient_scale, weight_decay, momentum, one_minus_dampening, learning_rate;
  bool first, nesterov;
};

// PyTorch's: the first gradient is the buffer, undampened.
void sgd(const SgdStep& step, float* w, const float* g, float* buffer, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * step.gradient_scale + step.weight_decay * w[i];
    float change = gradient;
    if (buffer) {
      buffer[i] = step.first ? gradient : buffer[i] * step.momentum + step.one_minus_dampening * gradient;
      change = step.nesterov ? gradient + step.momentum * buffer[i] : buffer[i];
    }
    w[i] -= step.learning_rate * change;
  }
}

kernels::AdamStep adam_step(const OptimizerOptions& o, const StepOptions& s) {
  const bool decoupled = o.kind == OptimizerKind::adamw;
  const auto step = static_cast<double>(s.step);
  return {.gradient_scale = s.gradient_scale,
          .l2 = static_cast<float>(decoupled ? 0 : s.weight_decay),
          .keep = static_cast<float>(decoupled ? 1 - s.learning_rate * s.weight_decay : 1),
          .one_minus_beta1 = static_cast<float>(1 - o.beta1),
          .beta2 = static_cast<float>(o.beta2),
          .one_minus_beta2 = static_cast<float>(1 - o.beta2),
          .root_of_correction = static_cast<float>(std::sqrt(1 - std::pow(o.beta2, step))),
          .epsilon = static_cast<float>(o.epsilon),
          .step_size = static_cast<float>(s.learning_rate / (1 - std::pow(o.beta1, step)))};
}

SgdStep sgd_step(const OptimizerOptions& o, const StepOptions& s) {
  return {.gradient_scale = s.gradient_scale,
          .weight_decay = static_cast<float>(s.weight_decay),
          .momentum = static_cast<float>(o.momentum),
          .one_minus_dampening = static_cast<float>(1 - o.dampening),
          .learning_rate = static_cast<float>(s.learning_rate),
          .first = s.step == 1,
          .nesterov = o.nesterov};
}

}  // namespace

void check(const OptimizerOptions& o) {
  const auto below_one = [](double x) { return x >= 0 && x < 1; };
  require(below_one(o.beta1), "beta1", "at least 0 and less than 1", o.beta1);
  require(below_one(o.beta2), "beta2", "at least 0 and less than 1", o.beta2);
  require(o.epsilon > 0 && std::isfinite(o.epsilon), "epsilon", "greater than 0", o.epsilon);
  require(below_one(o.momentum), "momentum", "at least 0 and less than 1", o.momentum);
  require(o.dampening >= 0 && o.dampening <= 1, "dampening", "from 0 to 1", o.dampening);
  if (o.nesterov && (o.momentum == 0 || o.dampening != 0)) {
    fail("nesterov needs a momentum above 0 and a dampening of 0; they are {} and {}", o.momentum, o.dampening);
  }
}

OptimizerState::OptimizerState(const OptimizerOptions& options, int64_t n) {
  const StateFormat format = n < options.smallest_quantized ? StateFormat::f32 : options.state;
  const bool adam = options.kind != OptimizerKind::sgd;
  count = adam ? 2 : options.momentum != 0 ? 1 : 0;
  for (int i = 0; i < count; ++i) moment[static_cast<size_t>(i)] = make_moment(format, /*is_signed=*/i == 0, n);
}

std::vector<OptimizerState::Named> OptimizerState::moments() {
  if (count == 1) return {{"momentum_buffer", &moment[0]}};
  if (count == 2) return {{"exp_avg", &moment[0]}, {"exp_avg_sq", &moment[1]}};
  return {};
}

int64_t OptimizerState::bytes() const {
  int64_t sum = 0;
  for (const Moment& m : moment) {
    sum += static_cast<int64_t>(m.values.size() * sizeof(float) + m.codes.size() + m.scales.size() * sizeof(float));
  }
  return sum;
}

int64_t OptimizerState::bytes_for(const OptimizerOptions& options, int64_t n) {
  const bool quantized = options.state != StateFormat::f32 && n >= options.smallest_quantized;
  const int64_t blocks = (n + kStateBlock - 1) / kStateBlock;
  const int64_t moments = options.kind != OptimizerKind::sgd ? 2 : options.momentum != 0 ? 1 : 0;
  return moments * (quantized ? n + blocks * 4 : n * 4);
}

void optimizer_step(const OptimizerOptions& options, const StepOptions& step, std::span<float> weights,
                    std::span<const float> gradients, OptimizerState& state, Threads& threads) {
  const auto n = static_cast<int64_t>(weights.size());
  if (gradients.size() != weights.size()) fail("{} gradients for {} weights", gradients.size(), n);
  check_moments(state, options, n);
  const kernels::AdamStep adam = adam_step(options, step);
  const SgdStep plain = sgd_step(options, step);
  const RandomStream random(step.seed, static_cast<uint32_t>(step.step), kMomentNumbers + step.tensor);
  const MomentRounding rounding{options.keep_positive, options.stochastic ? &random : nullptr};
  const auto update = [&](float* w, const float* g, float* first, float* second, int64_t count) {
    if (options.kind == OptimizerKind::sgd) return sgd(plain, w, g, first, count);
    kernels::adam(adam, w, g, first, second, count);
  };
  threads.for_range(n, kGrain, [&](int64_t begin, int64_t end) {
    float* w = weights.data();
    const float* g = gradients.data();
    if (state.count == 0 || state.moment[0].format == StateFormat::f32) {
      float* const first = state.count > 0 ? state.moment[0].values.data() + begin : nullptr;
      float* const second = state.count > 1 ? state.moment[1].values.data() + begin : nullptr;
      return update(w + begin, g + begin, first, second, end - begin);
    }
    float first[kStateBlock], second[kStateBlock];
    for (int64_t at = begin; at < end; at += kStateBlock) {
      const int64_t size = std::min(kStateBlock, end - at);
      load_block(state.moment[0], at, size, first);
      if (state.count > 1) load_block(state.moment[1], at, size, second);
      update(w + at, g + at, first, second, size);
      store_block(state.moment[0], at, size, first, rounding);
      if (state.count > 1) store_block(state.moment[1], at, size, second, rounding);
    }
  });
}

double sum_of_squares(std::span<const float> x, Threads& threads) {
  constexpr int64_t kSpan = 1 << 14;
  constexpr int kLanes = 8;
  const auto n = static_cast<int64_t>(x.size());
  std::vector<double> sums(static_cast<size_t>((n + kSpan - 1) / kSpan));
  threads.for_range(static_cast<int64_t>(sums.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t span = begin; span < end; ++span) {
      double lanes[kLanes] = {};
      int64_t i = span * kSpan;
      const int64_t last = std::min(n, i + kSpan);
      for (; i + kLanes <= last; i += kLanes) {
        for (int j = 0; j < kLanes; ++j) {
          const double value = x[static_cast<size_t>(i + j)];
          lanes[j] += value * value;
        }
      }
      for (int j = 0; i < last; ++i, ++j) lanes[j] += double{x[static_cast<size_t>(i)]} * x[static_cast<size_t>(i)];
      double& sum = sums[static_cast<size_t>(span)];
      for (const double lane : lanes) sum += lane;
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

float clip_coefficient(double norm, double max_norm) {
  if (max_norm <= 0) return 1;
  return static_cast<float>(std::min(1.0, max_norm / (norm + 1e-6)));
}

bool is_decayed(std::string_view name, int64_t rank) {
  if (rank < 2) return false;  // norms and biases
  for (const std::string_view embedding : {"embed", "wte", "wpe"}) {
    if (name.find(embedding) != name.npos) return false;
  }
  return true;
}

}  // namespace octet::train
