// y = x · wᵀ in tasks: a block of tokens by a few panels each.
#include "kernels/gemm/gemm.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/gemm/layout.h"
#include "kernels/gemm/product.h"

namespace octet::kernels {
namespace {

// A task's codes stay in the second-level cache, 512 KiB of them, while its tokens pass by.
constexpr int64_t kBlockSteps = 4096;
constexpr int64_t kBlockPanels = 8;
constexpr int64_t kBlockRows = 516;  // a multiple of kTileRows
// So few tokens are done while the codes are read: panel by panel, and what a thread takes lies together.
constexpr int64_t kReadingRows = 48;

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// How the product is cut into tasks: blocks of rows are the inner loop.
struct Plan {
  int64_t block_rows, row_blocks, block_panels, panel_blocks, grain;
  int64_t tasks() const { return row_blocks * panel_blocks; }
};

Plan plan_of(int64_t m, const PackedWeight::Layout& w, Way way, int threads) {
  Plan plan{};
  plan.row_blocks = divide_up(m, kBlockRows);
  plan.block_rows = divide_up(divide_up(m, plan.row_blocks), kTileRows) * kTileRows;
  plan.block_panels = m > kReadingRows ? std::clamp<int64_t>(kBlockSteps / w.steps, 1, kBlockPanels) : 1;
  if (way == Way::strips && m <= kStripRows) plan.block_panels = kStripPanels;
  if (way == Way::bytes && m <= kPairRows) plan.block_panels = 2;
  const auto fit = [&] {
    plan.row_blocks = divide_up(m, plan.block_rows);
    plan.panel_blocks = divide_up(w.panels, plan.block_panels);
  };
  fit();
  for (; plan.tasks() < 4 * threads && plan.block_panels > 1; fit()) plan.block_panels /= 2;
  for (; plan.tasks() < 2 * threads && plan.block_rows > kTileRows; fit()) {
    plan.block_rows = divide_up(divide_up(plan.block_rows, 2), kTileRows) * kTileRows;
  }
  plan.grain = m > kReadingRows ? 1 : divide_up(plan.tasks(), 8 * threads);
  return plan;
}

Block block_of(const Plan& plan, int64_t task, int64_t next_task, int64_t m, int64_t panels) {
  const int64_t row = task % plan.row_blocks * plan.block_rows;
  const int64_t panel = task / plan.row_blocks * plan.block_panels;
  return {row, std::min(row + plan.block_rows, m), panel, std::min(panel + plan.block_panels, panels),
          next_task / plan.row_blocks * plan.block_panels};
}

}  // namespace

void gemm_with(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w,
               const float* bias, float* y, int64_t stride, Threads& threads) {
  if (x.k != w.k) fail("an input of {} columns cannot meet a weight of {}", x.k, w.k);
  if (!(x.format == w.input))
    fail("an input was prepared for another format than the weight [{}, {}] was packed for", w.n, w.k);
  if (x.m == 0) return;

  const LeftSide a = left_side(x, w, threads);
  const Product product(kernels, x, w, a, bias, y, stride);
  const Plan plan = plan_of(x.m, w, way_of(kernels, x, w), threads.count());
  const int64_t stride_of_tasks = plan.grain > 1 ? 1 : threads.count();  // to the task that a thread takes next
  threads.for_range(plan.tasks(), plan.grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) product.run(block_of(plan, i, i + stride_of_tasks, x.m, w.panels));
  });
}

void gemm(const PreparedInput& x, const PackedWeight& w, const float* bias, float* y, int64_t stride,
          Threads& threads) {
  static const GemmKernels kernels[] = {best_kernels(Arithmetic::int8), best_kernels(Arithmetic::bf16),
                                        best_kernels(Arithmetic::f32)};
  gemm_with(kernels[static_cast<int>(w.layout().arithmetic)], x.layout(), w.layout(), bias, y, stride, threads);
}

}  // namespace octet::kernels
