#include "ops/rope.h"

#include <numeric>

#include "kernels/elementwise/elementwise.h"
#include "kernels/gradient/gradient.h"

namespace octet {

RopeTable::RopeTable(const Rope& rope, int64_t first, int64_t count)
    : half_(static_cast<int64_t>(rope.frequencies.size())),
      table_(static_cast<size_t>(count * 2 * half_)),
      rows_(static_cast<size_t>(count)) {
  kernels::rope_table(rope.frequencies.data(), half_, first, count, rope.attention_factor, table_.data());
  std::iota(rows_.begin(), rows_.end(), int64_t{0});
}

void RopeTable::rotate(Context& ctx, Tensor& x) const {
  const int64_t heads = x.size(1), head_dim = x.size(2);
  kernels::rope(x.f32(), x.size(0), heads, head_dim, 2 * half_, heads * head_dim, rows_.data(), table_.data(),
                ctx.threads);
}

void RopeTable::rotate_back(int64_t position, float* head) const {
  const float* cosines = table_.data() + position * 2 * half_;
  kernels::gradient_kernel().rotate_back(head, half_, cosines, cosines + half_);
}

}  // namespace octet
