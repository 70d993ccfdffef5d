#include "compress/layer_noise.h"

#include <algorithm>

#include "ops/linear.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kQuotients = 4000;

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

Tensor product(Context& ctx, const Tensor& x, const Tensor& w) {
  return linear(ctx, x, Weight("", w, Tensor(), ctx.threads));
}

}  // namespace

double relative_power(const Tensor& x, const Tensor& y) {
  double error = 0, power = 0;
  for (int64_t i = 0; i < y.elements(); ++i) {
    const double d = static_cast<double>(x.f32()[i]) - y.f32()[i];
    error += d * d;
    power += static_cast<double>(y.f32()[i]) * y.f32()[i];
  }
  return power > 0 ? error / power : 0;
}

ModuleNoise noise_of(const std::string& module, const Tensor& w, const QTensor& q, const Tensor& x, Threads& threads) {
  const int64_t n = w.size(0), k = w.size(1);
  const Extent extent = extent_of(q.weights, n, k);
  Context ctx(threads);
  ModuleNoise noise{.module = module};
  noise.grid = grid_of(q);
  const float lowest = noise.grid.front(), highest = noise.grid.back();
  Tensor clipped(w.shape());
  std::vector<float> reach(static_cast<size_t>(n));
  std::vector<int64_t> beyond(static_cast<size_t>(n));
  threads.for_range(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      const float scale = scale_at(q, extent, i / k, i % k), x = w.f32()[i];
      clipped.f32()[i] = std::clamp(x, lowest * scale, highest * scale);
      const auto row = static_cast<size_t>(i / k);
      reach[row] = std::max(reach[row], x / scale / (x < 0 ? lowest : highest));
      beyond[row] += clipped.f32()[i] != x;
    }
  });
  noise.reach = *std::max_element(reach.begin(), reach.end());
  for (const int64_t count : beyond) noise.clipped += static_cast<double>(count) / static_cast<double>(w.elements());
  const Tensor exact = product(ctx, x, w), of_clipped = product(ctx, x, clipped);
  const Tensor of_coded = product(ctx, x, dequantize(q));
  noise.clipping = relative_power(of_clipped, exact);
  noise.rounding = std::max(0.0, relative_power(of_coded, exact) - noise.clipping);
  if (q.activations) {
    const Tensor whole = linear(ctx, x, Weight("", q, Tensor(), DType::F32, threads));
    noise.activations = relative_power(whole, of_coded);
  }
  const int64_t step = std::max<int64_t>(1, w.elements() / kQuotients);
  for (int64_t i = 0; i < w.elements(); i += step) {
    noise.quotients.push_back(w.f32()[i] / scale_at(q, extent, i / k, i % k));
  }
  return noise;
}

}  // namespace octet
