#include "ops/activation.h"

#include <numbers>

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gradient/gradient.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr int64_t kGrain = 8192;

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// The argument of the tangent in the approximation of gelu, and its slope.
constexpr double kCubic = 0.044715;
double tanh_argument(double x) {
  return std::sqrt(2 / std::numbers::pi) * (x + kCubic * x * x * x);
}

double value_of(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::gelu:
      return x * 0.5 * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::gelu_tanh:
      return x * 0.5 * (1 + std::tanh(tanh_argument(x)));
    case Activation::silu:
      return x * sigmoid(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
  }
  return x;
}

double slope_of(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return x > 0 ? 1 : 0;
    case Activation::gelu:
      return 0.5 * (1 + std::erf(x / std::numbers::sqrt2)) + x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    case Activation::gelu_tanh: {
      const double t = std::tanh(tanh_argument(x));
      return 0.5 * (1 + t) + x * 0.5 * (1 - t * t) * std::sqrt(2 / std::numbers::pi) * (1 + 3 * kCubic * x * x);
    }
    case Activation::silu:
      return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case Activation::tanh:
      return 1 - std::tanh(x) * std::tanh(x);
    case Activation::sigmoid:
      return sigmoid(x) * (1 - sigmoid(x));
  }
  return 1;
}

struct Name {
  std::string_view name;
  Activation activation;
};
constexpr Name kNames[] = {{"relu", Activation::relu}, {"gelu", Activation::gelu}, {"gelu_tanh", Activation::gelu_tanh},
                           {"silu", Activation::silu}, {"tanh", Activation::tanh}, {"sigmoid", Activation::sigmoid}};

void silu_multiply_backward(Context& ctx, const Tensor& gate, const Tensor& up, const Tensor& dy) {
  Tensor dgate = make_tensor(ctx, gate.shape()), dup = make_tensor(ctx, up.shape());
  ctx.threads.for_range(gate.elements(), kGrain, [&](int64_t begin, int64_t end) {
    kernels::gradient_kernel().silu_multiply(gate.f32() + begin, up.f32() + begin, dy.f32() + begin, end - begin,
                                             dgate.f32() + begin, dup.f32() + begin);
  });
  ctx.tape->add_gradient(ctx, gate, std::move(dgate));
  ctx.tape->add_gradient(ctx, up, std::move(dup));
}

}  // namespace

Activation activation_named(std::string_view name) {
  std::string names;
  for (const Name& row : kNames) {
    if (row.name == name) return row.activation;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
  }
  throw UsageError(fmt::format("there is no activation '{}'; the activations are {}", name, names));
}

Tensor silu_multiply(Context& ctx, const Tensor& gate, const Tensor& up) {
  Tensor y = make_tensor(ctx, gate.shape());
  kernels::silu_multiply(gate.f32(), up.f32(), y.f32(), gate.elements(), ctx.threads);
  if (on_tape(ctx, {&gate, &up})) {
    ctx.tape->record(y, [gate, up](Context& ctx, const Tensor& dy) { silu_multiply_backward(ctx, gate, up, dy); });
  }
  return y;
}

Tensor activate(Context& ctx, const Tensor& x, Activation activation) {
  Tensor y = make_tensor(ctx, x.shape());
  ctx.threads.for_range(x.elements(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y.f32()[i] = static_cast<float>(value_of(activation, x.f32()[i]));
  });
  if (on_tape(ctx, {&x})) {
    ctx.tape->record(y, [x, activation](Context& ctx, const Tensor& dy) {
      Tensor dx = make_tensor(ctx, x.shape());
      ctx.threads.for_range(x.elements(), kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          dx.f32()[i] = static_cast<float>(dy.f32()[i] * slope_of(activation, x.f32()[i]));
        }
      });
      ctx.tape->add_gradient(ctx, x, std::move(dx));
    });
  }
  return y;
}

}  // namespace octet
