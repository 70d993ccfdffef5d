#include "quant/transform/smoothing.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "kernels/convert/convert.h"
#include "ops/linear.h"
#include "quant/quantize.h"
#include "quant/scale.h"
#include "quant/transform/refine.h"

namespace octet {
namespace {

constexpr Smoothing kSmoothings[] = {
    {"smoothquant", smoothquant_factors, "moves the range of outlier channels from the input into the weights"},
    {"awq", awq_factors, "gives the columns that large inputs meet finer steps"},
};

constexpr float kSmallest = 1e-5f;  // of a magnitude that is divided by
constexpr float kReach = 1e4f;      // no factor leaves [1/reach, reach] of the middle one

// Factors around 1, none of them wild; channels that nothing came through stay.
void normalize(std::vector<float>& factors, const std::vector<float>& input) {
  double logs = 0;
  int64_t count = 0;
  for (size_t j = 0; j < factors.size(); ++j) {
    if (!(input[j] > 0) || !(factors[j] > 0) || !std::isfinite(factors[j])) continue;
    logs += std::log(factors[j]);
    ++count;
  }
  const float middle = count ? static_cast<float>(std::exp(logs / static_cast<double>(count))) : 1;
  for (size_t j = 0; j < factors.size(); ++j) {
    const bool used = input[j] > 0 && factors[j] > 0 && std::isfinite(factors[j]);
    factors[j] = used ? std::clamp(factors[j] / middle, 1 / kReach, kReach) : 1.0f;
  }
}

// Channels that share a factor speak with one voice: the largest.
std::vector<float> shared(const std::vector<float>& values, const std::vector<int32_t>& share) {
  if (share.empty()) return values;
  std::vector<float> largest(static_cast<size_t>(*std::max_element(share.begin(), share.end())) + 1);
  for (size_t j = 0; j < values.size(); ++j) {
    float& of = largest[static_cast<size_t>(share[j])];
    of = std::max(of, values[j]);
  }
  std::vector<float> result;
  for (const int32_t of : share) result.push_back(largest[static_cast<size_t>(of)]);
  return result;
}

SmoothingStatistics shared(const SmoothingStatistics& s, const std::vector<int32_t>& share) {
  return {shared(s.input_max, share), shared(s.input_mean, share), shared(s.weight_max, share),
          shared(s.weight_mean, share)};
}

Tensor scaled_columns(const Tensor& x, const std::vector<float>& factors, bool divide, Threads& threads) {
  Tensor result(x.shape());
  const int64_t k = x.size(1);
  threads.for_range(x.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; i += k) {
      for (int64_t j = 0; j < k; ++j) {
        const float factor = factors[static_cast<size_t>(j)];
        result.f32()[i + j] = divide ? x.f32()[i + j] / factor : x.f32()[i + j] * factor;
      }
    }
  });
  return result;
}

double squared(const Tensor& x, const Tensor* y, const std::vector<float>& row_weights, Threads& threads) {
  const int64_t rows = x.size(0), n = x.size(1);
  std::vector<double> sums(static_cast<size_t>(rows));
  threads.for_range(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      double sum = 0;
      for (int64_t i = row * n; i < (row + 1) * n; ++i) {
        const double d = static_cast<double>(x.f32()[i]) - (y ? y->f32()[i] : 0);
        sum += d * d;
      }
      sums[static_cast<size_t>(row)] = row_weights.empty() ? sum : sum * row_weights[static_cast<size_t>(row)];
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

SmoothingSamples rows_of(const SmoothingSamples& samples, int64_t begin, int64_t end) {
  SmoothingSamples rows{samples.x.rows(begin, end - begin)};
  if (!samples.weights.empty()) rows.weights.assign(samples.weights.begin() + begin, samples.weights.begin() + end);
  return rows;
}

// Rows far apart: each trial multiplies all of them.
SmoothingSamples thinned(const SmoothingSamples& samples) {
  const int64_t k = samples.x.size(1), step = samples.x.size(0) / trial_rows(k);
  if (step < 2) return samples;
  const int64_t count = samples.x.size(0) / step;
  SmoothingSamples some{Tensor({count, k}), {}};
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(some.x.f32() + i * k, samples.x.f32() + i * step * k, static_cast<size_t>(k) * sizeof(float));
    if (!samples.weights.empty()) some.weights.push_back(samples.weights[static_cast<size_t>(i * step)]);
  }
  return some;
}

Tensor weighted_rows(const SmoothingSamples& samples) {
  if (samples.weights.empty()) return samples.x;
  Tensor x(samples.x.shape());
  for (int64_t i = 0, k = x.size(1); i < x.elements(); ++i) {
    x.f32()[i] = samples.x.f32()[i] * std::sqrt(samples.weights[static_cast<size_t>(i / k)]);
  }
  return x;
}

// The products as they will be run.
class Trial {
 public:
  /// `ends`: min and max of the input's channels where they are not those of the samples.
  Trial(const SmoothingSamples& samples, std::array<std::span<const float>, 2> ends, std::span<const Tensor> weights,
        const SmoothingTarget& target, Threads& threads)
      : x_(samples.x),
        ends_(ends),
        row_weights_(samples.weights),
        weights_(weights),
        target_(target),
        threads_(threads),
        ctx_(threads) {
    for (const Tensor& w : weights) {
      exact_.push_back(linear(ctx_, x_, Weight("", w, Tensor(), threads)));
      norms_.push_back(std::max(squared(exact_.back(), nullptr, row_weights_, threads), 1e-30));
    }
  }

  double error(const std::vector<float>& factors) {
    const Tensor x = factors.empty() ? x_ : scaled_columns(x_, factors, true, threads_);
    double sum = 0;
    for (size_t i = 0; i < weights_.size(); ++i) {
      const Tensor w = factors.empty() ? weights_[i] : scaled_columns(weights_[i], factors, false, threads_);
      QTensor q = quantize(from_f32(w, target_.dtype), target_.weights, target_.options, threads_);
      q.activations = target_.activations;
      if (target_.is_static()) set_static_scale(q, x, factors);
      sum += squared(linear(ctx_, x, Weight("", q, Tensor(), target_.dtype, threads_)), &exact_[i], row_weights_,
                     threads_) /
             norms_[i];
    }
    return sum;
  }

 private:
  void set_static_scale(QTensor& q, const Tensor& x, const std::vector<float>& factors) const {
    kernels::MinMax ends = kernels::min_max(x.f32(), x.elements());
    for (size_t j = 0; j < ends_[0].size(); ++j) {
      if (j == 0) ends = {};
      const float factor = factors.empty() ? 1 : factors[j];
      ends.min = std::min(ends.min, ends_[0][j] / factor);
      ends.max = std::max(ends.max, ends_[1][j] / factor);
    }
    const StaticScale scale = static_scale(ends.min, ends.max, *q.activations, target_.dtype);
    q.input_scale = scale.scale;
    q.input_zero_point = scale.zero_point;
  }

  const Tensor& x_;
  std::array<std::span<const float>, 2> ends_;
  const std::vector<float>& row_weights_;
  std::span<const Tensor> weights_;
  const SmoothingTarget& target_;
  Threads& threads_;
  Context ctx_;
  std::vector<Tensor> exact_;
  std::vector<double> norms_;
};

}  // namespace

int64_t trial_rows(int64_t k) {
  return std::clamp((int64_t{1} << 19) / k, int64_t{256}, int64_t{1024});
}

std::span<const Smoothing> smoothings() {
  return kSmoothings;
}

const Smoothing& smoothing_named(std::string_view name) {
  for (const Smoothing& smoothing : kSmoothings) {
    if (smoothing.name == name) return smoothing;
  }
  throw UsageError(fmt::format("there is no smoothing {}", name));
}

std::vector<float> smoothquant_factors(const SmoothingStatistics& s, double strength) {
  std::vector<float> factors(s.input_max.size());
  for (size_t j = 0; j < factors.size(); ++j) {
    factors[j] = static_cast<float>(std::pow(std::max(s.input_max[j], kSmallest), strength) /
                                    std::pow(std::max(s.weight_max[j], kSmallest), 1 - strength));
  }
  normalize(factors, s.input_max);
  return factors;
}

std::vector<float> awq_factors(const SmoothingStatistics& s, double strength) {
  std::vector<float> factors(s.input_mean.size());
  for (size_t j = 0; j < factors.size(); ++j) {
    factors[j] = static_cast<float>(std::pow(std::max(s.input_mean[j], kSmallest), strength) /
                                    std::pow(std::max(s.weight_mean[j], kSmallest), 1 - strength));
  }
  normalize(factors, s.input_mean);
  return factors;
}

void add_weight_statistics(const Tensor& w, SmoothingStatistics& s, Threads& threads) {
  const int64_t n = w.size(0), k = w.size(1);
  s.weight_max.resize(static_cast<size_t>(k));
  s.weight_mean.resize(static_cast<size_t>(k));
  std::vector<float> largest(static_cast<size_t>(n));
  threads.for_range(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      largest[static_cast<size_t>(row)] = std::max(kernels::amax(w.f32() + row * k, k), kSmallest);
    }
  });
  threads.for_range(k, 64, [&](int64_t begin, int64_t end) {  // a column belongs to one thread
    std::vector<double> sums(static_cast<size_t>(end - begin));
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t j = begin; j < end; ++j) {
        const float magnitude = std::abs(w.f32()[row * k + j]);
        float& most = s.weight_max[static_cast<size_t>(j)];
        most = std::max(most, magnitude);
        sums[static_cast<size_t>(j - begin)] += magnitude / largest[static_cast<size_t>(row)];
      }
    }
    for (int64_t j = begin; j < end; ++j) {
      s.weight_mean[static_cast<size_t>(j)] +=
          static_cast<float>(sums[static_cast<size_t>(j - begin)] / static_cast<double>(n));
    }
  });
}

std::vector<float> fixed_smoothing(const Smoothing& smoothing, const SmoothingStatistics& statistics,
                                   const SmoothingTarget& target, double strength) {
  return smoothing.factors(shared(statistics, target.share), strength);
}

SmoothingResult search_smoothing(const Smoothing& smoothing, const SmoothingStatistics& statistics,
                                 const SmoothingSamples& samples, std::span<const Tensor> weights,
                                 const SmoothingTarget& target, int steps, Threads& threads) {
  const int64_t rows = samples.x.size(0);
  const bool judged_by_others = target.is_static() && samples.early > 0 && samples.early < rows;
  SmoothingStatistics early = statistics;
  std::array<std::span<const float>, 2> ends;
  if (judged_by_others) {
    ends = {samples.early_min, samples.early_max};
    for (size_t j = 0; j < early.input_max.size(); ++j) early.input_max[j] = std::max(-ends[0][j], ends[1][j]);
  }
  const SmoothingSamples judges = thinned(rows_of(samples, judged_by_others ? samples.early : 0, rows));
  Trial trial(judges, ends, weights, target, threads);
  early = shared(early, target.share);
  SmoothingResult best;
  best.error = best.error_before = trial.error({});
  for (int step = 0; step <= steps; ++step) {
    const double strength = static_cast<double>(step) / steps;
    std::vector<float> factors = smoothing.factors(early, strength);
    const double error = trial.error(factors);
    if (!(error < best.error)) continue;
    best.error = error;
    best.strength = strength;
    best.factors = std::move(factors);
  }
  if (target.refines()) {
    const SmoothingSamples fitted = rows_of(samples, 0, judged_by_others ? samples.early : rows);
    std::vector<float> factors =
        refine_int8_factors(weighted_rows(fitted), target.costs, weights, target.share, best.factors, threads);
    const double error = trial.error(factors);
    if (!target.is_static() || error < best.error) {  // as descended, and not with one scale for all tokens
      best.error = error;
      best.refined = true;
      best.factors = std::move(factors);
    }
  }
  if (judged_by_others && !best.factors.empty() && !best.refined) {
    best.factors = smoothing.factors(shared(statistics, target.share), best.strength);
  }
  return best;
}

}  // namespace octet
