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
  const float highest = format_info(q.weights.format).max_finite;
  const float lowest = q.weights.format == Format::INT8 ? -128.0f : -highest;
  Context ctx(threads);
  ModuleNoise noise{.module = module};
  Tensor clipped(w.shape());
  threads.for_range(n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * k; i < end * k; ++i) {
      const float scale = scale_at(q, extent, i / k, i % k);
      clipped.f32()[i] = std::clamp(w.f32()[i], lowest * scale, highest * scale);
    }
  });
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
