#include "ops/linear.h"

#include "kernels/elementwise/elementwise.h"
#include "ops/activation.h"
#include "ops/trained_linear.h"

namespace octet {
namespace {

Tensor product_of_prepared(Context& ctx, int64_t m, const Weight& w) {
  Tensor y({m, w.rows()});
  const float* bias = w.bias().empty() ? nullptr : w.bias().f32();
  kernels::gemm(ctx.prepared, w.packed(), bias, y.f32(), w.rows(), ctx.threads);
  return y;
}

}  // namespace

Tensor linear(Context& ctx, const Tensor& x, const Weight& w) {
  if (w.trained()) {
    const Weight* one = &w;
    return std::move(trained_linears(ctx, x, {&one, 1})[0]);
  }
  if (ctx.observer) ctx.observer->linear_input(w.module(), x);
  const int64_t m = x.size(0), k = x.size(1);
  ctx.prepared.prepare(x.f32(), m, k, k, w.packed().input(), ctx.threads);
  return product_of_prepared(ctx, m, w);
}

std::vector<Tensor> linears(Context& ctx, const Tensor& x, std::span<const Weight* const> weights) {
  if (weights[0]->trained()) return trained_linears(ctx, x, weights);
  std::vector<Tensor> results;
  for (const Weight* w : weights) results.push_back(linear(ctx, x, *w));
  return results;
}

std::vector<Tensor> norm_linears(Context& ctx, const Tensor& x, const RmsNorm& norm,
                                 std::initializer_list<const Weight*> weights) {
  std::vector<Tensor> results;
  if ((*weights.begin())->trained())
    return trained_linears(ctx, rms_norm(ctx, x, norm), {weights.begin(), weights.size()});
  if (ctx.observer) {  // it is shown the normed input itself
    const Tensor normed = rms_norm(ctx, x, norm);
    for (const Weight* w : weights) results.push_back(linear(ctx, normed, *w));
    return results;
  }
  const int64_t m = x.size(0), k = x.size(1);
  const kernels::InputFormat* prepared = nullptr;
  for (const Weight* w : weights) {
    const kernels::InputFormat& wanted = w->packed().input();
    if (!prepared || !(*prepared == wanted)) {
      ctx.prepared.prepare_rms_norm(x.f32(), m, k, norm.weight.f32(), norm.epsilon, wanted, ctx.threads);
      prepared = &wanted;
    }
    results.push_back(product_of_prepared(ctx, m, *w));
  }
  return results;
}

Tensor swiglu_linear(Context& ctx, const Tensor& gate, const Tensor& up, const Weight& w) {
  const int64_t m = gate.size(0), k = gate.size(1);
  if (w.trained()) return linear(ctx, silu_multiply(ctx, gate, up), w);
  if (ctx.observer) {
    Tensor hidden(gate.shape());
    kernels::silu_multiply(gate.f32(), up.f32(), hidden.f32(), m * k, ctx.threads);
    return linear(ctx, hidden, w);
  }
  ctx.prepared.prepare_swiglu(gate.f32(), up.f32(), m, k, k, w.packed().input(), ctx.threads);
  return product_of_prepared(ctx, m, w);
}

}  // namespace octet
