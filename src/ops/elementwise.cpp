#include "ops/elementwise.h"

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/tape.h"

namespace octet {
namespace {

/// dtable += dy at the rows of the ids, in their order; threads share the columns.
void embedding_backward(Context& ctx, const Place& table, std::span<const int32_t> ids, const Tensor& dy) {
  const int64_t width = table.shape[1];
  Tensor dtable = ctx.tape->gradient_to_add(ctx, table);
  constexpr int64_t kColumns = 64;
  ctx.threads.for_range((width + kColumns - 1) / kColumns, 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kColumns, last = std::min(width, end * kColumns);
    for (size_t i = 0; i < ids.size(); ++i) {
      float* to = dtable.f32() + ids[i] * width;
      const float* from = dy.f32() + static_cast<int64_t>(i) * width;
      for (int64_t column = first; column < last; ++column) to[column] += from[column];
    }
  });
}

}  // namespace

void add_to(Context& ctx, Tensor& x, const Tensor& y) {
  if (!ctx.tape) return kernels::add(x.f32(), y.f32(), x.f32(), x.elements(), ctx.threads);
  Tensor sum = make_tensor(ctx, x.shape());
  kernels::add(x.f32(), y.f32(), sum.f32(), x.elements(), ctx.threads);
  if (on_tape(ctx, {&x, &y})) {
    ctx.tape->record(sum, [x = Place(x), y = Place(y)](Context& ctx, const Tensor& dy) {
      ctx.tape->add_gradient(ctx, x, dy);
      ctx.tape->add_gradient(ctx, y, dy);
    });
  }
  x = std::move(sum);
}

Tensor embedding_rows(const Tensor& table, std::span<const int32_t> ids) {
  const int64_t rows = table.size(0), width = table.size(1);
  Tensor result({static_cast<int64_t>(ids.size()), width});
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= rows) fail("token id {} is outside the embedding's {} rows", ids[i], rows);
    const Tensor row = to_f32(table.rows(ids[i], 1));
    std::memcpy(result.f32() + static_cast<int64_t>(i) * width, row.f32(), static_cast<size_t>(width) * sizeof(float));
  }
  return result;
}

Tensor embedding(Context& ctx, const Tensor& table, std::span<const int32_t> ids) {
  Tensor y = embedding_rows(table, ids);
  if (on_tape(ctx, {&table})) {
    ctx.tape->record(y, [table = Place(table), ids = std::vector<int32_t>(ids.begin(), ids.end())](
                            Context& ctx, const Tensor& dy) { embedding_backward(ctx, table, ids, dy); });
  }
  return y;
}

}  // namespace octet
