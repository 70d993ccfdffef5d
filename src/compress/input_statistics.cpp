#include "compress/input_statistics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "kernels/convert/convert.h"

namespace octet {
namespace {

constexpr int64_t kChannels = 64;  // that a thread takes at once
constexpr int64_t kSampleNumbers = int64_t{1} << 20, kFewestSamples = 256, kMostSamples = 4096;

bool goes_into_residual(std::string_view module) {
  return module.ends_with("o_proj") || module.ends_with("down_proj");
}

Tensor difference(const Tensor& x, const Tensor& y, Threads& threads) {
  Tensor result(x.shape());
  threads.for_range(x.elements(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) result.f32()[i] = x.f32()[i] - y.f32()[i];
  });
  return result;
}

// Rows of x times the roots of their weights.
Tensor weighted(const Tensor& x, const std::vector<float>& weights, Threads& threads) {
  const int64_t k = x.size(1);
  Tensor result(x.shape());
  threads.for_range(x.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float root = std::sqrt(weights[static_cast<size_t>(row)]);
      for (int64_t i = row * k; i < (row + 1) * k; ++i) result.f32()[i] = x.f32()[i] * root;
    }
  });
  return result;
}

}  // namespace

int64_t sample_rows(int64_t k) {
  return std::clamp(kSampleNumbers / k, kFewestSamples, kMostSamples);
}

std::vector<float> InputStatistics::magnitudes() const {
  std::vector<float> result(max.size());
  for (size_t j = 0; j < result.size(); ++j) result[j] = std::max(-min[j], max[j]);
  return result;
}

void InputStatistics::divide(const std::vector<float>& factors, Threads& threads) {
  for (size_t j = 0; j < factors.size(); ++j) {
    min[j] /= factors[j];
    max[j] /= factors[j];
    early_min[j] /= factors[j];
    early_max[j] /= factors[j];
    mean[j] /= factors[j];
    mean_magnitude[j] /= factors[j];
  }
  for (int64_t i = 0; i < samples.elements(); ++i) samples.f32()[i] /= factors[static_cast<size_t>(i) % factors.size()];
  if (hessian) hessian->divide_columns(factors, threads);
  if (drift) drift->divide_columns(factors);
}

StatisticsKeeper::StatisticsKeeper(std::vector<std::string> leaders, const Wanted& wanted, Threads& threads)
    : leaders_(std::move(leaders)), wanted_(wanted), threads_(threads) {}

void StatisticsKeeper::linear_input(std::string_view module, const Tensor& x) {
  if (std::find(leaders_.begin(), leaders_.end(), module) == leaders_.end()) return;
  if (!std::isfinite(kernels::amax(x.f32(), x.elements()))) {
    fail("{}: its input becomes infinite or NaN on the calibration text; the model is damaged", module);
  }
  batch_.emplace_back(module, x);
}

void StatisticsKeeper::finish_reference(const Tensor& residual) {
  for (auto& [module, x] : batch_) reference_[module] = std::move(x);
  batch_.clear();
  reference_residual_ = residual;
}

void StatisticsKeeper::finish_batch(const Tensor& residual) {
  const int64_t m = residual.size(0), d = residual.size(1);
  const std::vector<float> alike(static_cast<size_t>(m), 1.0f);
  std::vector<float> weights(static_cast<size_t>(m));
  threads_.for_range(m, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      double sum = 0;
      for (int64_t j = 0; j < d; ++j)
        sum += static_cast<double>(residual.f32()[row * d + j]) * residual.f32()[row * d + j];
      weights[static_cast<size_t>(row)] = static_cast<float>(1 / (sum / static_cast<double>(d) + 1e-12));
    }
  });
  for (auto& [module, x] : batch_) {
    const std::vector<float>& of_rows = goes_into_residual(module) ? weights : alike;
    Growing& growing = growing_[module];
    add(growing, x, of_rows);
    if (!wanted_.hessians) continue;
    const Tensor counted = weighted(x, of_rows, threads_);
    growing.statistics.hessian->add(counted, scratch_, threads_);
    if (reference_.empty()) continue;
    // What goes into the residual stream makes up for all that the stream lacks after it.
    const bool last = module.ends_with("down_proj");
    add_drift(
        growing, last ? Drift::Of::output : Drift::Of::input,
        last ? difference(reference_residual_, residual, threads_) : difference(reference_.at(module), x, threads_),
        counted, of_rows);
  }
  batch_.clear();
  reference_.clear();
  reference_residual_ = Tensor();
}

void StatisticsKeeper::add(Growing& growing, const Tensor& x, const std::vector<float>& weights) {
  InputStatistics& s = growing.statistics;
  const int64_t m = x.size(0), k = x.size(1);
  if (growing.rows == 0) {
    growing.sums.resize(static_cast<size_t>(k));
    growing.magnitudes.resize(static_cast<size_t>(k));
    s.min.resize(static_cast<size_t>(k));
    s.max.resize(static_cast<size_t>(k));
    s.samples = Tensor({std::min(sample_rows(k), wanted_.rows), k});
    if (wanted_.hessians) s.hessian.emplace(k, wanted_.format);
  }
  add_channels(growing, x);
  keep_samples(growing, x, weights);
  growing.rows += m;
}

void StatisticsKeeper::add_drift(Growing& growing, Drift::Of of, const Tensor& lacking, const Tensor& counted,
                                 const std::vector<float>& weights) {
  std::optional<Drift>& drift = growing.statistics.drift;
  if (!drift) drift.emplace(of, lacking.size(1), counted.size(1), wanted_.format);
  drift->add(weighted(lacking, weights, threads_), counted, drift_scratch_, threads_);
}

void StatisticsKeeper::add_channels(Growing& growing, const Tensor& x) {
  const int64_t m = x.size(0), early = std::clamp<int64_t>(early_rows() - growing.rows, 0, m);
  add_channels(growing, x, 0, early);
  InputStatistics& s = growing.statistics;
  if (early > 0) s.early_min = s.min, s.early_max = s.max;
  add_channels(growing, x, early, m);
}

void StatisticsKeeper::add_channels(Growing& growing, const Tensor& x, int64_t first, int64_t last) {
  const int64_t k = x.size(1);
  InputStatistics& s = growing.statistics;
  threads_.for_range(k, kChannels, [&](int64_t begin, int64_t end) {  // a channel belongs to one thread
    for (int64_t row = first; row < last; ++row) {
      for (int64_t j = begin; j < end; ++j) {
        const float value = x.f32()[row * k + j];
        const auto at = static_cast<size_t>(j);
        s.min[at] = std::min(s.min[at], value);
        s.max[at] = std::max(s.max[at], value);
        growing.sums[at] += value;
        growing.magnitudes[at] += std::abs(value);
      }
    }
  });
}

// Sample i is row i · rows / samples of all that will come.
void StatisticsKeeper::keep_samples(Growing& growing, const Tensor& x, const std::vector<float>& weights) const {
  InputStatistics& s = growing.statistics;
  const int64_t count = s.samples.size(0), k = x.size(1);
  for (; growing.kept < count; ++growing.kept) {
    const int64_t row = growing.kept * wanted_.rows / count - growing.rows;
    if (row >= x.size(0)) break;
    if (growing.rows + row < early_rows()) ++s.early_samples;
    std::memcpy(s.samples.f32() + growing.kept * k, x.f32() + row * k, static_cast<size_t>(k) * sizeof(float));
    s.sample_weights.push_back(weights[static_cast<size_t>(row)]);
  }
}

InputStatistics StatisticsKeeper::take(const std::string& leader) {
  const auto found = growing_.find(leader);
  if (found == growing_.end()) fail("{}: calibration saw no input of it", leader);
  Growing& growing = found->second;
  InputStatistics s = std::move(growing.statistics);
  s.rows = growing.rows;
  s.samples = s.samples.rows(0, growing.kept);
  for (size_t j = 0; j < growing.sums.size(); ++j) {
    s.mean.push_back(static_cast<float>(growing.sums[j] / static_cast<double>(growing.rows)));
    s.mean_magnitude.push_back(static_cast<float>(growing.magnitudes[j] / static_cast<double>(growing.rows)));
  }
  growing_.erase(found);
  if (growing_.empty()) {
    scratch_ = {};
    drift_scratch_ = {};
  }
  return s;
}

}  // namespace octet
