#include "ops/aware_linear.h"

#include "kernels/convert/convert.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr float kMemory = 0.99f;  // of the moving averages of ranges

void watch(const Tensor& x, TrainedWeight& w) {
  const kernels::MinMax seen = kernels::min_max(x.f32(), x.elements());
  if (!seen.finite) return;  // the loss will say so
  auto& [low, high] = w.input_range;
  const bool first = low == 0 && high == 0;
  low = first ? seen.min : kMemory * low + (1 - kMemory) * seen.min;
  high = first ? seen.max : kMemory * high + (1 - kMemory) * seen.max;
}

Tensor in_bf16(const Tensor& x) {
  Tensor y(x.shape(), DType::BF16);
  kernels::to_bf16(x.f32(), x.elements(), y.data<uint16_t>());
  return y;
}

}  // namespace

AwareProduct aware_product(Context& ctx, const Tensor& x, const Weight& weight, Tensor& y) {
  TrainedWeight& w = *weight.trained();
  const bool unseen = w.input_range[0] == 0 && w.input_range[1] == 0;
  if (w.static_input && (ctx.tape->recording() || unseen)) watch(x, w);
  AwareProduct product{w.quantize(in_bf16(w.value), w.input_range)};
  if (w.static_input) {
    const float scale = product.weight.input_scale;
    const bool int8 = product.weight.activations->format == Format::INT8;
    const float zero = static_cast<float>(product.weight.input_zero_point);
    const float most = format_info(product.weight.activations->format).max_finite;
    product.low = int8 ? (-128.5f - zero) * scale : -most * scale;
    product.high = int8 ? (127.5f - zero) * scale : most * scale;
  }
  const Weight served(weight.module(), product.weight, Tensor(), DType::BF16, ctx.threads);
  const int64_t k = x.size(-1), m = x.elements() / k;
  ctx.prepared.prepare(x.f32(), m, k, k, served.packed().input(), ctx.threads);
  const float* bias = weight.bias().empty() ? nullptr : weight.bias().f32();
  kernels::gemm(ctx.prepared, served.packed(), bias, y.f32(), served.rows(), ctx.threads);
  return product;
}

void clear_beyond(Context& ctx, const AwareProduct& product, const Tensor& x, Tensor& dx) {
  if (product.low == product.high) return;
  ctx.threads.for_range(x.elements(), 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (x.f32()[i] < product.low || x.f32()[i] > product.high) dx.f32()[i] = 0;
    }
  });
}

}  // namespace octet
