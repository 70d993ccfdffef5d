#include "train/gradient_sum.h"

#include "kernels/convert/convert.h"
#include "kernels/elementwise/elementwise.h"

namespace octet::train {
namespace {

constexpr int64_t kAtOnce = 1 << 16;

void narrow(Context& ctx, const float* x, int64_t n, uint16_t* out) {
  ctx.threads.for_range(n, kAtOnce,
                        [&](int64_t begin, int64_t end) { kernels::to_bf16(x + begin, end - begin, out + begin); });
}

void widen(Context& ctx, const uint16_t* x, int64_t n, float* out) {
  ctx.threads.for_range(n, kAtOnce, [&](int64_t begin, int64_t end) {
    kernels::to_float(Format::BF16, x + begin, end - begin, out + begin);
  });
}

}  // namespace

/// [count][own slice]: what every process has of the own slice.
Tensor GradientSum::own_slices(Context& ctx, const Tensor& gradient) {
  const int64_t n = gradient.elements(), own = slices_of(n).size(processes_.rank()) * processes_.count();
  if (dtype_ == DType::F32) {
    if (processes_.count() == 1) return gradient;
    Tensor all = make_tensor(ctx, {own});
    processes_.exchange(gradient.raw(), slices_of(n), sizeof(float), all.raw());
    return all;
  }
  TensorPool& pool = ctx.tape->pool();
  Tensor rounded = pool.make({n}, DType::BF16);
  narrow(ctx, gradient.f32(), n, rounded.data<uint16_t>());
  Tensor theirs = pool.make({own}, DType::BF16), all = make_tensor(ctx, {own});
  processes_.exchange(rounded.raw(), slices_of(n), sizeof(uint16_t), theirs.raw());
  widen(ctx, theirs.data<uint16_t>(), own, all.f32());
  return all;
}

void GradientSum::add_to(Context& ctx, Sum& sum, const float* next, int64_t n) const {
  if (!sum.begun) {
    sum = {true, make_tensor(ctx, {n})};
    std::memcpy(sum.slice.raw(), next, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  // What somebody else holds as well is not added to in place.
  Tensor result = sum.slice.shared() ? make_tensor(ctx, {n}) : sum.slice;
  kernels::add(sum.slice.f32(), next, result.f32(), n, ctx.threads);
  sum.slice = std::move(result);
}

void GradientSum::add(Context& ctx, std::span<const Parameter> parameters) {
  sums_.resize(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = ctx.tape->take_gradient(parameters[i].value);
    if (gradient.empty()) continue;
    const Tensor all = own_slices(ctx, gradient);
    if (processes_.count() == 1 && !sums_[i].begun) {
      sums_[i] = {true, all};
      continue;
    }
    const int64_t own = all.elements() / processes_.count();
    for (int rank = 0; rank < processes_.count(); ++rank) add_to(ctx, sums_[i], all.f32() + rank * own, own);
  }
}

Tensor GradientSum::whole(Context& ctx, const Tensor& slice, const Shape& shape) {
  const Slices slices = slices_of(elements_of(shape));
  const int64_t begin = slices.begin(processes_.rank());
  if (dtype_ == DType::F32) {
    if (processes_.count() == 1) return slice.reshaped(shape);
    Tensor all = make_tensor(ctx, shape);
    std::memcpy(all.f32() + begin, slice.raw(), static_cast<size_t>(slice.bytes()));
    processes_.gather(all.raw(), slices, sizeof(float));
    return all;
  }
  Tensor rounded = ctx.tape->pool().make({slices.n}, DType::BF16), all = make_tensor(ctx, shape);
  narrow(ctx, slice.f32(), slice.elements(), rounded.data<uint16_t>() + begin);
  processes_.gather(rounded.raw(), slices, sizeof(uint16_t));
  widen(ctx, rounded.data<uint16_t>(), slices.n, all.f32());
  return all;
}

void GradientSum::finish(Context& ctx, std::span<const Parameter> parameters) {
  for (size_t i = 0; i < sums_.size(); ++i) {
    if (!sums_[i].begun) continue;
    const Tensor slice = std::move(sums_[i].slice);
    ctx.tape->add_gradient(ctx, parameters[i].value, whole(ctx, slice, parameters[i].value.shape()));
  }
  sums_.clear();
}

}  // namespace octet::train
