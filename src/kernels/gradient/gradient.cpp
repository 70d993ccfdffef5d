#include "kernels/gradient/gradient.h"

#include <vector>

namespace octet::kernels {

std::span<const Kernel<const GradientKernel>> gradient_kernels() {
  static constexpr Kernel<const GradientKernel> kList[] = {
#if defined(__x86_64__)
      {"avx512", kAvx512, &kGradientAvx512},
      {"avx2", kAvx2, &kGradientAvx2},
#elif defined(__aarch64__)
      {"neon", kNeon, &kGradientNeon},
#endif
      {"reference", 0, &kGradientReference},
  };
  return kList;
}

std::vector<FamilyChoice> explain_gradient() {
  return {explain("gradients", gradient_kernels())};
}

const GradientKernel& gradient_kernel() {
  static const GradientKernel& chosen = *choose(gradient_kernels()).run;
  return chosen;
}

void sum_rows(int64_t rows, int64_t d, const std::function<void(int64_t row, float* sum)>& add_row, float* sum,
              Threads& threads) {
  constexpr int64_t kRows = 128;
  const int64_t parts = (rows + kRows - 1) / kRows;
  std::vector<float> sums(static_cast<size_t>(parts * d));
  threads.for_range(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      for (int64_t row = part * kRows; row < std::min(rows, (part + 1) * kRows); ++row) {
        add_row(row, sums.data() + part * d);
      }
    }
  });
  for (int64_t part = 0; part < parts; ++part) gradient_kernel().add(sums.data() + part * d, d, sum);
}

}  // namespace octet::kernels
