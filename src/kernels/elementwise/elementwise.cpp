#include "kernels/elementwise/elementwise.h"

#include <cmath>
#include <limits>

#include "kernels/elementwise/elementwise_list.h"

namespace octet::kernels {
namespace {

// Work smaller than this many elements is not worth another thread.
constexpr int64_t kGrain = 16384;

const ElementwiseKernel& kernel() {
  static const ElementwiseKernel& chosen = *choose(elementwise_kernels()).run;
  return chosen;
}

void for_rows(int64_t rows, int64_t d, Threads& threads, const std::function<void(int64_t row)>& body) {
  threads.for_range(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(d, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

}  // namespace

std::span<const Kernel<const ElementwiseKernel>> elementwise_kernels() {
  static constexpr Kernel<const ElementwiseKernel> kList[] = {
#if defined(__x86_64__)
    {"avx512", kAvx512, &kElementwiseAvx512},
    {"avx2", kAvx2, &kElementwiseAvx2},
#elif defined(__aarch64__)
    {"neon", kNeon, &kElementwiseNeon},
#endif
    {"reference", 0, &kElementwiseReference},
  };
  return kList;
}

float sum_of_squares(const float* x, int64_t n) {
  return kernel().sum_of_squares(x, n);
}

void rms_norm(const float* x, int64_t rows, int64_t d, const float* weight, float epsilon, float* y, Threads& threads) {
  for_rows(rows, d, threads, [&](int64_t row) {
    const float mean = kernel().sum_of_squares(x + row * d, d) / static_cast<float>(d);
    kernel().scale_by(x + row * d, 1 / std::sqrt(mean + epsilon), weight, y + row * d, d);
  });
}

void rope_table(const double* inverse_frequencies, int64_t half, int64_t first, int64_t count, double factor,
                float* table) {
  for (int64_t row = 0; row < count; ++row, table += 2 * half) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(first + row) * inverse_frequencies[i];
      table[i] = static_cast<float>(std::cos(angle) * factor);
      table[half + i] = static_cast<float>(std::sin(angle) * factor);
    }
  }
}

void rope(float* x, int64_t tokens, int64_t heads, int64_t d, int64_t rotary_dim, int64_t token_stride,
          const int64_t* positions, const float* table, Threads& threads) {
  const int64_t half = rotary_dim / 2;
  for_rows(tokens, heads * d, threads, [&](int64_t token) {
    const float* cosines = table + positions[token] * 2 * half;
    for (int64_t head = 0; head < heads; ++head) {
      kernel().rotate(x + token * token_stride + head * d, half, cosines, cosines + half);
    }
  });
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n) {
  kernel().silu_multiply(gate, up, out, n);
}

void silu_multiply(const float* gate, const float* up, float* out, int64_t n, Threads& threads) {
  threads.for_range(n, kGrain, [&](int64_t begin, int64_t end) {
    kernel().silu_multiply(gate + begin, up + begin, out + begin, end - begin);
  });
}

void add(const float* x, const float* y, float* out, int64_t n, Threads& threads) {
  threads.for_range(n, kGrain,
                    [&](int64_t begin, int64_t end) { kernel().add(x + begin, y + begin, out + begin, end - begin); });
}

void add_row(float* x, int64_t rows, int64_t d, const float* bias, Threads& threads) {
  for_rows(rows, d, threads, [&](int64_t row) { kernel().add(x + row * d, bias, x + row * d, d); });
}

namespace {

struct MaxAndSum {
  float max;
  double sum;
};

MaxAndSum max_and_sum_of_exp(const float* x, int64_t n) {
  const float max = kernel().max(x, n);
  // With nothing above -infinity any finite offset gives the right zeros, or the NaN that is there.
  const float offset = max == -std::numeric_limits<float>::infinity() ? 0.0f : max;
  return {offset, kernel().sum_of_exp(x, n, offset)};
}

}  // namespace

double log_sum_exp(const float* x, int64_t n) {
  const auto [max, sum] = max_and_sum_of_exp(x, n);
  return double{max} + std::log(sum);
}

void softmax_rows(const float* x, int64_t rows, int64_t d, float* y, Threads& threads) {
  for_rows(rows, d, threads, [&](int64_t row) {
    const auto [max, sum] = max_and_sum_of_exp(x + row * d, d);
    kernel().exp(x + row * d, d, max, static_cast<float>(1 / sum), y + row * d);
  });
}

void log_softmax_rows(const float* x, int64_t rows, int64_t d, float* y, Threads& threads) {
  for_rows(rows, d, threads, [&](int64_t row) {
    const double total = log_sum_exp(x + row * d, d);
    for (int64_t i = row * d; i < (row + 1) * d; ++i) y[i] = static_cast<float>(x[i] - total);
  });
}

int64_t argmax(const float* x, int64_t n) {
  const float max = kernel().max(x, n);
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] == max) return i;
  }
  return 0;
}

std::vector<FamilyChoice> explain_elementwise() {
  return {explain("elementwise", elementwise_kernels())};
}

}  // namespace octet::kernels
