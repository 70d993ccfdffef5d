#include "quant/rounding/gptq_factor.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/linear_algebra.h"

namespace octet {
namespace {

constexpr int kTries = 3;
constexpr int64_t kBlock = 128;       // columns that are solved at once
constexpr int64_t kRowsAtOnce = 512;  // that are solved at once

// Element (i, j) of a symmetric matrix whose lower triangle is made.
float symmetric(const float* a, int64_t k, int64_t i, int64_t j) {
  return i >= j ? a[i * k + j] : a[j * k + i];
}

// H of few inputs says little about others: what it is off by grows with columns over inputs.
double damping_for(const Hessian& hessian) {
  constexpr double kLeast = 0.01, kMost = 0.2;
  if (hessian.rows() == 0) return kLeast;  // it was given
  const auto k = static_cast<double>(hessian.sums().size(0));
  return std::clamp(k / static_cast<double>(hessian.rows()), kLeast, kMost);
}

template <typename Body>
void for_rows(Threads& threads, int64_t rows, const Body& body) {
  threads.for_range(rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

}  // namespace

GptqFactor::GptqFactor(const Hessian& hessian, const GptqOptions& options, Threads& threads) {
  const int64_t k = hessian.sums().size(0);
  order_.resize(static_cast<size_t>(k));
  std::iota(order_.begin(), order_.end(), 0);
  std::reverse(order_.begin(), order_.end());  // the first column is rounded first
  const float* sums = hessian.sums().f32();
  if (options.activation_order) {
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int32_t i, int32_t j) { return sums[i * (k + 1)] < sums[j * (k + 1)]; });
  }
  double damping = options.damping > 0 ? options.damping : damping_for(hessian);
  for (int i = 0; i < kTries && !try_damping(hessian.sums(), damping, threads); ++i) damping *= 10;
}

bool GptqFactor::try_damping(const Tensor& sums, double damping, Threads& threads) {
  const int64_t k = sums.size(0);
  double trace = 0;
  for (int64_t i = 0; i < k; ++i) trace += sums.f32()[i * (k + 1)];
  const float added = static_cast<float>(damping * trace / static_cast<double>(k));
  if (!std::isfinite(added)) return false;
  if (factor_.empty()) factor_ = Tensor({k, k});
  float* factor = factor_.f32();
  threads.for_range(k, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t from = order_[static_cast<size_t>(i)];
      for (int64_t j = 0; j <= i; ++j) {
        factor[i * k + j] = symmetric(sums.f32(), k, from, order_[static_cast<size_t>(j)]);
      }
      // A column that nothing came through meets no other: its own scale is free.
      factor[i * (k + 1)] = sums.f32()[from * (k + 1)] > 0 ? factor[i * (k + 1)] + added : 1.0f;
    }
  });
  if (!cholesky(factor_, threads)) {
    factor_ = Tensor();
    return false;
  }
  damping_ = damping;
  std::vector<float> inverse(static_cast<size_t>(k));
  costs_.resize(static_cast<size_t>(k));
  for (int64_t i = 0; i < k; ++i) {
    const float diagonal = factor[i * (k + 1)];
    inverse[static_cast<size_t>(i)] = 1.0f / diagonal;
    costs_[static_cast<size_t>(i)] = diagonal * diagonal;
  }
  threads.for_range(k, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j < i; ++j) factor[i * k + j] *= inverse[static_cast<size_t>(j)];
    }
  });
  return true;
}

void GptqFactor::solve(Tensor& rows, Threads& threads) const {
  const int64_t k = rows.size(1);
  Product product(threads);
  for (int64_t first = 0; first < rows.size(0); first += kRowsAtOnce) {
    Tensor some({std::min(kRowsAtOnce, rows.size(0) - first), k});  // columns in the factor's order
    for_rows(threads, some.size(0), [&](int64_t row) {
      const float* const from = rows.f32() + (first + row) * k;
      for (int64_t j = 0; j < k; ++j) some.f32()[row * k + j] = from[order_[static_cast<size_t>(j)]];
    });
    solve_lower(some, product, threads);
    for_rows(threads, some.size(0), [&](int64_t row) {
      for (int64_t j = 0; j < k; ++j) some.f32()[row * k + j] /= costs_[static_cast<size_t>(j)];
    });
    solve_upper(some, product, threads);
    for_rows(threads, some.size(0), [&](int64_t row) {
      float* const to = rows.f32() + (first + row) * k;
      for (int64_t j = 0; j < k; ++j) to[order_[static_cast<size_t>(j)]] = some.f32()[row * k + j];
    });
  }
}

// rows · U⁻ᵀ, U the unit factor: from the first column on.
void GptqFactor::solve_lower(Tensor& rows, Product& product, Threads& threads) const {
  const int64_t n = rows.size(0), k = rows.size(1);
  const float* const unit = factor_.f32();
  std::vector<float> known(static_cast<size_t>(n * kBlock)), block(static_cast<size_t>(kBlock * kBlock));
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t width = std::min(kBlock, k - begin);
    std::fill(known.begin(), known.end(), 0.0f);
    if (begin > 0)
      product.multiply({rows.f32(), n, begin, k}, {unit + begin * k, width, begin, k}, known.data(), kBlock);
    transpose({unit + begin * (k + 1), width, width, k}, block.data(), threads);
    for_rows(threads, n, [&](int64_t row) {
      float* const x = rows.f32() + row * k + begin;
      for (int64_t j = 0; j < width; ++j) x[j] -= known[static_cast<size_t>(row * kBlock + j)];
      for (int64_t i = 0; i < width; ++i) {
        const float* const right = block.data() + i * width;
        for (int64_t j = i + 1; j < width; ++j) x[j] -= x[i] * right[j];
      }
    });
  }
}

// rows · U⁻¹: from the last column on.
void GptqFactor::solve_upper(Tensor& rows, Product& product, Threads& threads) const {
  const int64_t n = rows.size(0), k = rows.size(1);
  const float* const unit = factor_.f32();
  std::vector<float> known(static_cast<size_t>(n * kBlock)), block;
  for (int64_t end = k; end > 0;) {
    const int64_t begin = (end - 1) / kBlock * kBlock, width = end - begin, done = k - end;
    std::fill(known.begin(), known.end(), 0.0f);
    if (done > 0) {
      block.resize(static_cast<size_t>(width * done));
      transpose({unit + end * k + begin, done, width, k}, block.data(), threads);
      product.multiply({rows.f32() + end, n, done, k}, {block.data(), width, done, done}, known.data(), kBlock);
    }
    for_rows(threads, n, [&](int64_t row) {
      float* const x = rows.f32() + row * k + begin;
      for (int64_t j = 0; j < width; ++j) x[j] -= known[static_cast<size_t>(row * kBlock + j)];
      for (int64_t i = width - 1; i > 0; --i) {
        const float* const below = unit + (begin + i) * k + begin;
        for (int64_t j = 0; j < i; ++j) x[j] -= x[i] * below[j];
      }
    });
    end = begin;
  }
}

}  // namespace octet
