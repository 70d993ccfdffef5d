#include "kernels/optimizer/adam.h"

#include <gtest/gtest.h>

#include "numeric/random.h"

namespace octet::kernels {
namespace {

std::vector<float> numbers(uint32_t tensor, size_t n, bool positive) {
  const RandomStream random(7, 0, tensor);
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = (random.uniform(i) - (positive ? 0.0f : 0.5f)) * 1e-2f;
  return x;
}

TEST(Adam, EveryInstructionSetGivesTheBitsOfTheReference) {
  const AdamStep step{0.37f, 1e-2f, 0.999f, 0.1f, 0.999f, 1e-3f, 0.05f, 1e-8f, 3e-4f};
  for (const auto& kernel : adam_kernels()) {
    if ((kernel.needs & ~cpu_features()) != 0) continue;
    for (const size_t n : {0, 1, 7, 8, 15, 16, 17, 31, 33, 256, 1000}) {
      std::vector<float> w = numbers(0, n + 1, false), m = numbers(1, n + 1, false), v = numbers(2, n + 1, true);
      std::vector<float> w2 = w, m2 = m, v2 = v;
      const std::vector<float> g = numbers(3, n + 1, false);
      adam_reference(step, w.data() + 1, g.data() + 1, m.data() + 1, v.data() + 1, static_cast<int64_t>(n));
      kernel.run(step, w2.data() + 1, g.data() + 1, m2.data() + 1, v2.data() + 1, static_cast<int64_t>(n));
      EXPECT_EQ(w, w2) << kernel.name << " " << n;
      EXPECT_EQ(m, m2) << kernel.name << " " << n;
      EXPECT_EQ(v, v2) << kernel.name << " " << n;
    }
  }
}

}  // namespace
}  // namespace octet::kernels
