#include "compress/layer_noise.h"

#include <algorithm>

#include "ops/linear.h"
#include "quant/scale.h"

namespace octet {
namespace {

float scale_at(const QTensor& q, const Extent& extent, int64_t row, int64_t column) {
  return q.scales.f32()[row / extent.rows * q.scales.size(1) + column / extent.columns];
}

// What the codes stand for before they are scaled, each number once.
std::vector<float> grid_of(const QTensor& q) {
  std::vector<float> grid;
  for (uint32_t code = 0; code < 256; ++code) {
    float value = q.table.empty() ? format_info(q.weights.format).decode(code) : q.table.f32()[code];
    if (q.weights.format == Format::INT8) value = static_cast<int8_t>(static_cast<uint8_t>(code));
    if (std::isfinite(value)) grid.push_back(value);
  }
  std::sort(grid.begin(), grid.end());
  grid.erase(std::unique(grid.begin(), grid.end()), grid.end());
  return grid;
}

struct Power {
  double error = 0, power = 0;
  void add(const Tensor& x, const Tensor& y) {
    for (int64_t i = 0; i < y.elements(); ++i) {
      const double d = static_cast<double>(x.f32()[i]) - y.f32()[i];
      error += d * d;
      power += static_cast<double>(y.f32()[i]) * y.f32()[i];
    }
  }
  double relative() const { return power > 0 ? error / power : 0; }
};

// ‖x·aᵀ - x·bᵀ‖² / ‖x·bᵀ‖²
double relative_power(Context& ctx, const Tensor& x, const Weight& a, const Weight& b) {
  Power sum;
  for (int64_t begin = 0; begin < x.size(0); begin += kNoiseRows) {
    const Tensor rows = x.rows(begin, std::min(kNoiseRows, x.size(0) - begin));
    sum.add(linear(ctx, rows, a), linear(ctx, rows, b));
  }
  return sum.relative();
}

// How far the weights go beside the codes, and what lies beyond them.
void look_at_ends(ModuleNoise& noise, const Tensor& w, const QTensor& q, Threads& threads) {
  const int64_t n = w.size(0), k = w.size(1);
  const Extent extent = extent_of(q.weights, n, k);
  const float lowest = noise.grid.front(), highest = noise.grid.back();
  std::vector<float> reach(static_cast<size_t>(n));
  std::vector<int64_t> beyond(static_cast<size_t>(n));
  threads.for_range(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      const float scale = scale_at(q, extent, i / k, i % k), x = w.f32()[i];
      const auto row = static_cast<size_t>(i / k);
      reach[row] = std::max(reach[row], x / scale / (x < 0 ? lowest : highest));
      beyond[row] += x < lowest * scale || x > highest * scale;
    }
  });
  noise.reach = *std::max_element(reach.begin(), reach.end());
  for (const int64_t count : beyond) noise.clipped += static_cast<double>(count) / static_cast<double>(w.elements());
  const int64_t step = std::max<int64_t>(1, w.elements() / kQuotients);
  for (int64_t i = 0; i < w.elements(); i += step) {
    noise.quotients.push_back(w.f32()[i] / scale_at(q, extent, i / k, i % k));
  }
}

Weight clipped(const ModuleNoise& noise, const Tensor& w, const QTensor& q, Threads& threads) {
  const int64_t n = w.size(0), k = w.size(1);
  const Extent extent = extent_of(q.weights, n, k);
  Tensor inside(w.shape());
  threads.for_range(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      const float scale = scale_at(q, extent, i / k, i % k);
      inside.f32()[i] = std::clamp(w.f32()[i], noise.grid.front() * scale, noise.grid.back() * scale);
    }
  });
  return Weight("", inside, Tensor(), threads);
}

}  // namespace

double relative_power(const Tensor& x, const Tensor& y) {
  Power sum;
  sum.add(x, y);
  return sum.relative();
}

ModuleNoise noise_of(const std::string& module, const Tensor& w, const QTensor& q, const Tensor& x, Threads& threads) {
  Context ctx(threads);
  ModuleNoise noise{.module = module};
  noise.grid = grid_of(q);
  look_at_ends(noise, w, q, threads);
  std::optional<Weight> exact(std::in_place, "", w, Tensor(), threads);
  if (noise.clipped > 0) noise.clipping = relative_power(ctx, x, clipped(noise, w, q, threads), *exact);
  const Weight coded("", dequantize(q), Tensor(), threads);
  noise.rounding = std::max(0.0, relative_power(ctx, x, coded, *exact) - noise.clipping);
  exact.reset();  // two packed matrices at a time
  if (q.activations) {
    noise.activations = relative_power(ctx, x, Weight("", q, Tensor(), DType::F32, threads), coded);
  }
  return noise;
}

}  // namespace octet
