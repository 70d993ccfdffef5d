#include "ops/norm.h"

#include "kernels/elementwise/elementwise.h"
#include "kernels/gradient/gradient.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr int64_t kRowsAtOnce = 16;

void for_rows(Context& ctx, int64_t rows, const std::function<void(int64_t)>& body) {
  ctx.threads.for_range(rows, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

void rms_norm_backward(Context& ctx, const Tensor& x, const RmsNorm& norm, const Tensor& dy) {
  const auto& kernel = kernels::gradient_kernel();
  const int64_t d = x.size(-1), rows = x.elements() / d;
  std::vector<float> inverses(static_cast<size_t>(rows));
  Tensor dx = make_tensor(ctx, x.shape());
  for_rows(ctx, rows, [&](int64_t row) {
    const float* at = x.f32() + row * d;
    const float inverse = 1 / std::sqrt(kernels::sum_of_squares(at, d) / static_cast<float>(d) + norm.epsilon);
    inverses[static_cast<size_t>(row)] = inverse;
    kernel.rms_norm(at, norm.weight.f32(), dy.f32() + row * d, inverse, d, dx.f32() + row * d);
  });
  if (norm.weight.node() >= 0) {
    Tensor dweight = ctx.tape->gradient_to_add(ctx, norm.weight);
    const auto add_row = [&](int64_t row, float* sum) {
      kernel.add_product(x.f32() + row * d, dy.f32() + row * d, inverses[static_cast<size_t>(row)], d, sum);
    };
    kernels::sum_rows(rows, d, add_row, dweight.f32(), ctx.threads);
  }
  ctx.tape->add_gradient(ctx, x, std::move(dx));
}

struct Moments {
  float mean, inverse;
};

Moments moments_of(const float* x, int64_t d, float epsilon) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < d; ++i) sum += x[i];
  const double mean = sum / static_cast<double>(d);
  for (int64_t i = 0; i < d; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {static_cast<float>(mean), static_cast<float>(1 / std::sqrt(squares / static_cast<double>(d) + epsilon))};
}

void layer_norm_backward(Context& ctx, const Tensor& x, const LayerNorm& norm, const Tensor& dy) {
  const int64_t d = x.size(-1), rows = x.elements() / d;
  const float* w = norm.weight.f32();
  Tensor dx = make_tensor(ctx, x.shape());
  std::vector<Moments> moments(static_cast<size_t>(rows));
  for_rows(ctx, rows, [&](int64_t row) {
    const float *at = x.f32() + row * d, *g = dy.f32() + row * d;
    const Moments m = moments[static_cast<size_t>(row)] = moments_of(at, d, norm.epsilon);
    double sum = 0, product = 0;
    for (int64_t i = 0; i < d; ++i) {
      const double gw = double{g[i]} * w[i];
      sum += gw;
      product += gw * (at[i] - m.mean) * m.inverse;
    }
    const auto n = static_cast<double>(d);
    for (int64_t i = 0; i < d; ++i) {
      const double normed = (at[i] - m.mean) * m.inverse;
      dx.f32()[row * d + i] = static_cast<float>(m.inverse * (double{g[i]} * w[i] - sum / n - normed * product / n));
    }
  });
  const auto sum_into = [&](const Tensor& parameter, const std::function<void(int64_t, float*)>& add_row) {
    if (parameter.node() < 0) return;
    Tensor total = ctx.tape->gradient_to_add(ctx, parameter);
    kernels::sum_rows(rows, d, add_row, total.f32(), ctx.threads);
  };
  sum_into(norm.weight, [&](int64_t row, float* sum) {
    const Moments m = moments[static_cast<size_t>(row)];
    for (int64_t i = 0; i < d; ++i) sum[i] += dy.f32()[row * d + i] * (x.f32()[row * d + i] - m.mean) * m.inverse;
  });
  sum_into(norm.bias, [&](int64_t row, float* sum) { kernels::gradient_kernel().add(dy.f32() + row * d, d, sum); });
  ctx.tape->add_gradient(ctx, x, std::move(dx));
}

}  // namespace

Tensor rms_norm(Context& ctx, const Tensor& x, const RmsNorm& norm) {
  Tensor y = make_tensor(ctx, x.shape());
  kernels::rms_norm(x.f32(), x.size(0), x.size(1), norm.weight.f32(), norm.epsilon, y.f32(), ctx.threads);
  if (on_tape(ctx, {&x, &norm.weight})) {
    ctx.tape->record(y, [x, norm](Context& ctx, const Tensor& dy) { rms_norm_backward(ctx, x, norm, dy); });
  }
  return y;
}

Tensor layer_norm(Context& ctx, const Tensor& x, const LayerNorm& norm) {
  Tensor y = make_tensor(ctx, x.shape());
  const int64_t d = x.size(-1);
  for_rows(ctx, x.elements() / d, [&](int64_t row) {
    const float* at = x.f32() + row * d;
    const Moments m = moments_of(at, d, norm.epsilon);
    for (int64_t i = 0; i < d; ++i) {
      y.f32()[row * d + i] = (at[i] - m.mean) * m.inverse * norm.weight.f32()[i] + norm.bias.f32()[i];
    }
  });
  if (on_tape(ctx, {&x, &norm.weight, &norm.bias})) {
    ctx.tape->record(y, [x, norm](Context& ctx, const Tensor& dy) { layer_norm_backward(ctx, x, norm, dy); });
  }
  return y;
}

}  // namespace octet
