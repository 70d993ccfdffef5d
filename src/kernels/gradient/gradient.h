#pragma once
#include <functional>

#include "base/threads.h"
#include "kernels/gradient/gradient_kernel.h"
#include "kernels/kernel.h"

namespace octet::kernels {

/// The best this machine can run, for operations that go backwards.
const GradientKernel& gradient_kernel();
std::span<const Kernel<const GradientKernel>> gradient_kernels();
std::vector<FamilyChoice> explain_gradient();

/// sum [d] += Σ over rows of what `add_row` adds for each, in parts of a fixed number of rows that are added up in
/// their order: the same bits for any number of threads.
void sum_rows(int64_t rows, int64_t d, const std::function<void(int64_t row, float* sum)>& add_row, float* sum,
              Threads& threads);

}  // namespace octet::kernels
