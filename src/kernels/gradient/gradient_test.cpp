#include "kernels/gradient/gradient.h"

#include <gtest/gtest.h>

#include "numeric/random.h"

namespace octet::kernels {
namespace {

std::vector<float> numbers(int64_t n, uint32_t tensor, float scale = 3) {
  const RandomStream random(5, 0, tensor);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = scale * (2 * random.uniform(i) - 1);
  return x;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(got[i], wanted[i], 4e-6 * (1 + std::abs(wanted[i]))) << i << " of " << wanted.size();
  }
}

// Both kernels on the same operands, for lengths that fill vectors and that do not.
template <typename Run>
void compare(int64_t results, const Run& run) {
  for (const auto& kernel : gradient_kernels()) {
    if (kernel.needs & ~cpu_features()) continue;
    SCOPED_TRACE(kernel.name);
    for (const int64_t n : {1, 15, 16, 33, 64, 200}) {
      std::vector<float> got(static_cast<size_t>(results * n), 0.5f), wanted = got;
      run(*kernel.run, n, got.data());
      run(kGradientReference, n, wanted.data());
      expect_near(got, wanted);
    }
  }
}

TEST(GradientKernels, EqualTheReference) {
  const auto x = numbers(400, 1), y = numbers(400, 2), z = numbers(400, 3);
  compare(1, [&](const GradientKernel& k, int64_t n, float* out) {
    k.rms_norm(x.data(), y.data(), z.data(), 0.7f, n, out);
  });
  compare(1, [&](const GradientKernel& k, int64_t n, float* out) { k.add_product(x.data(), y.data(), 0.3f, n, out); });
  compare(1, [&](const GradientKernel& k, int64_t n, float* out) { k.add(x.data(), n, out); });
  compare(1, [&](const GradientKernel& k, int64_t n, float* out) { out[0] = k.dot(x.data(), y.data(), n) / 20; });
  compare(2, [&](const GradientKernel& k, int64_t n, float* out) {
    k.silu_multiply(x.data(), y.data(), z.data(), n, out, out + n);
  });
  compare(1, [&](const GradientKernel& k, int64_t n, float* out) { k.exp(x.data(), 0.5f, 2, n, out); });
  compare(1, [&](const GradientKernel& k, int64_t n, float* out) { k.scale(x.data(), 0.5f, n, out); });
  compare(1,
          [&](const GradientKernel& k, int64_t n, float* out) { k.softmax(x.data(), y.data(), 0.2f, 0.5f, n, out); });
  compare(2, [&](const GradientKernel& k, int64_t n, float* out) {
    std::copy(x.begin(), x.begin() + 2 * n, out);
    k.rotate_back(out, n, y.data(), z.data());
  });
}

TEST(GradientKernels, ExponentialsOfFarNumbersAreZeroAndInfinity) {
  const float far[] = {-1e30f, -120, 0, 200, std::numeric_limits<float>::quiet_NaN()};
  for (const auto& kernel : gradient_kernels()) {
    if (kernel.needs & ~cpu_features()) continue;
    float p[5];
    kernel.run->exp(far, 1, 0, 5, p);
    EXPECT_EQ(p[0], 0);
    EXPECT_EQ(p[1], 0);
    EXPECT_EQ(p[2], 1);
    EXPECT_TRUE(std::isinf(p[3]));
    EXPECT_TRUE(std::isnan(p[4]));
  }
}

TEST(GradientKernels, WriteOverTheirOperands) {
  const auto x = numbers(100, 1), y = numbers(100, 2), z = numbers(100, 3);
  for (const auto& kernel : gradient_kernels()) {
    if (kernel.needs & ~cpu_features()) continue;
    std::vector<float> apart(100), over = z;
    kernel.run->softmax(x.data(), z.data(), 0.2f, 0.5f, 100, apart.data());
    kernel.run->softmax(x.data(), over.data(), 0.2f, 0.5f, 100, over.data());
    EXPECT_EQ(apart, over) << kernel.name;
  }
}

TEST(SumRows, HasTheSameBitsForAnyNumberOfThreads) {
  constexpr int64_t kRows = 1000, kWidth = 7;
  const auto x = numbers(kRows * kWidth, 1);
  std::vector<float> one(kWidth), three(kWidth);
  Threads a(1), b(3);
  const auto add = [&](int64_t row, float* sum) { gradient_kernel().add(x.data() + row * kWidth, kWidth, sum); };
  sum_rows(kRows, kWidth, add, one.data(), a);
  sum_rows(kRows, kWidth, add, three.data(), b);
  EXPECT_EQ(one, three);
}

}  // namespace
}  // namespace octet::kernels
