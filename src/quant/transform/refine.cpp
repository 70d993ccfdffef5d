#include "quant/transform/refine.h"

#include <algorithm>
#include <cmath>

namespace octet {
namespace {

constexpr int kIterations = 80;
constexpr float kRate = 0.06f;
constexpr int64_t kChunks = 16;                 // rows are summed in so many parts, whatever the threads
constexpr int64_t kNumbers = int64_t{4} << 20;  // of a weight that are looked at: rows far apart
constexpr double kWeightShare = 8;              // of the weights' noise, which is the same for every token: measured

// The sum over rows of the squared 16-norm of row·factors, and its slope by the logarithm of each factor.
struct NormSum {
  double sum = 0;
  std::vector<double> slope;
};

float power_16(float x) {
  const float x2 = x * x, x4 = x2 * x2, x8 = x4 * x4;
  return x8 * x8;
}

NormSum sum_of_norms(const Tensor& rows, int64_t step, const std::vector<float>& factors, Threads& threads) {
  const int64_t k = rows.size(1), count = (rows.size(0) + step - 1) / step;
  std::vector<NormSum> parts(kChunks);
  threads.for_range(kChunks, 1, [&](int64_t first, int64_t last) {
    std::vector<float> powers(static_cast<size_t>(k));
    for (int64_t chunk = first; chunk < last; ++chunk) {
      NormSum& part = parts[static_cast<size_t>(chunk)];
      part.slope.resize(static_cast<size_t>(k));
      for (int64_t i = count * chunk / kChunks; i < count * (chunk + 1) / kChunks; ++i) {
        const float* const row = rows.f32() + i * step * k;
        float most = 0;
        for (int64_t j = 0; j < k; ++j) most = std::max(most, std::abs(row[j] * factors[static_cast<size_t>(j)]));
        if (!(most > 0)) continue;
        const float scale = 1 / most;
        float total = 0;
        for (int64_t j = 0; j < k; ++j) {
          powers[static_cast<size_t>(j)] = power_16(row[j] * factors[static_cast<size_t>(j)] * scale);
          total += powers[static_cast<size_t>(j)];
        }
        const double square = static_cast<double>(most) * most * std::pow(total, 0.125);
        part.sum += square;
        const double share = 2 * square / total;
        for (int64_t j = 0; j < k; ++j) part.slope[static_cast<size_t>(j)] += share * powers[static_cast<size_t>(j)];
      }
    }
  });
  for (int64_t chunk = 1; chunk < kChunks; ++chunk) {
    parts[0].sum += parts[static_cast<size_t>(chunk)].sum;
    for (int64_t j = 0; j < k; ++j) {
      parts[0].slope[static_cast<size_t>(j)] += parts[static_cast<size_t>(chunk)].slope[static_cast<size_t>(j)];
    }
  }
  return std::move(parts[0]);
}

// Σ of the squares of each column.
std::vector<double> squares_of_columns(const Tensor& rows) {
  const int64_t k = rows.size(1);
  std::vector<double> squares(static_cast<size_t>(k));
  for (int64_t i = 0; i < rows.elements(); ++i) {
    squares[static_cast<size_t>(i % k)] += static_cast<double>(rows.f32()[i]) * rows.f32()[i];
  }
  return squares;
}

class Cost {
 public:
  Cost(const Tensor& x, const std::vector<float>& costs, std::span<const Tensor> weights, Threads& threads)
      : x_(x), weights_(weights), threads_(threads) {
    squares_ = squares_of_columns(x);
    inputs_ = squares_;
    for (size_t j = 0; j < costs.size(); ++j) inputs_[j] = costs[j] * static_cast<double>(x.size(0));
    columns_.resize(inputs_.size());
    for (const Tensor& w : weights) {
      const std::vector<double> squares = squares_of_columns(w);
      for (size_t j = 0; j < squares.size(); ++j) columns_[j] += squares[j];
    }
  }

  // At the logarithms u of the factors; slope [K].
  double at(const std::vector<double>& u, std::vector<double>& slope) const {
    const size_t k = u.size();
    std::vector<float> up(k), down(k);
    double columns = 0, inputs = 0;
    for (size_t j = 0; j < k; ++j) {
      up[j] = static_cast<float>(std::exp(u[j]));
      down[j] = 1 / up[j];
      columns += columns_[j] * up[j] * up[j];
      inputs += inputs_[j] * down[j] * down[j];
    }
    const NormSum x = sum_of_norms(x_, 1, down, threads_);
    NormSum w{0, std::vector<double>(k)};
    for (const Tensor& weight : weights_) {
      const int64_t step = std::max<int64_t>(1, weight.elements() / kNumbers);
      const NormSum part = sum_of_norms(weight, step, up, threads_);
      w.sum += part.sum * static_cast<double>(step);
      for (size_t j = 0; j < k; ++j) w.slope[j] += part.slope[j] * static_cast<double>(step);
    }
    const double of_inputs = x.sum * columns, of_weights = kWeightShare * w.sum * inputs, cost = of_inputs + of_weights;
    for (size_t j = 0; j < k; ++j) {
      const double a = -x.slope[j] * columns + x.sum * 2 * columns_[j] * up[j] * up[j];
      const double b = w.slope[j] * inputs - w.sum * 2 * inputs_[j] * down[j] * down[j];
      slope[j] = squares_[j] > 0 ? (a + kWeightShare * b) / cost : 0;  // where nothing came through, nothing is known
    }
    return cost;
  }

 private:
  const Tensor& x_;
  std::span<const Tensor> weights_;
  Threads& threads_;
  std::vector<double> squares_, inputs_, columns_;
};

// Channels with one factor move together.
void share_slope(std::vector<double>& slope, const std::vector<int32_t>& share) {
  if (share.empty()) return;
  std::vector<double> sums(slope.size());
  for (size_t j = 0; j < slope.size(); ++j) sums[static_cast<size_t>(share[j])] += slope[j];
  for (size_t j = 0; j < slope.size(); ++j) slope[j] = sums[static_cast<size_t>(share[j])];
}

}  // namespace

std::vector<float> refine_int8_factors(const Tensor& x, const std::vector<float>& costs,
                                       std::span<const Tensor> weights, const std::vector<int32_t>& share,
                                       std::vector<float> factors, Threads& threads) {
  const Cost cost(x, costs, weights, threads);
  const size_t k = static_cast<size_t>(x.size(1));
  std::vector<double> u(k), best(k), slope(k), first(k), second(k);
  for (size_t j = 0; j < k; ++j) u[j] = factors.empty() ? 0 : std::log(factors[j]);
  double least = std::numeric_limits<double>::infinity();
  for (int step = 0; step < kIterations; ++step) {
    const double now = cost.at(u, slope);
    if (now < least) {
      least = now;
      best = u;
    }
    share_slope(slope, share);
    const double rate = kRate * 0.5 * (1 + std::cos(3.14159265 * step / kIterations));
    for (size_t j = 0; j < k; ++j) {
      first[j] = 0.9 * first[j] + 0.1 * slope[j];
      second[j] = 0.95 * second[j] + 0.05 * slope[j] * slope[j];
      const double mean = first[j] / (1 - std::pow(0.9, step + 1)), square = second[j] / (1 - std::pow(0.95, step + 1));
      u[j] -= rate * mean / (std::sqrt(square) + 1e-12);
    }
  }
  std::vector<float> refined(k);
  for (size_t j = 0; j < k; ++j) refined[j] = static_cast<float>(std::exp(best[j]));
  return refined;
}

}  // namespace octet
