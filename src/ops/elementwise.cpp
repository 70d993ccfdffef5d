#include "ops/elementwise.h"

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"

namespace octet {

void add_to(Context& ctx, Tensor& x, const Tensor& y) {
  kernels::add(x.f32(), y.f32(), x.f32(), x.elements(), ctx.threads);
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

}  // namespace octet
