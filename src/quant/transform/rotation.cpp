#include "quant/transform/rotation.h"

#include <cmath>
#include <numbers>

#include "numeric/random.h"

namespace octet {
namespace {

constexpr int64_t kColumns = 16;  // gathered at once: a cache line

double gaussian(const RandomStream& random, uint64_t element) {
  const double u = 1 - static_cast<double>(random.uniform(2 * element));
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * random.uniform(2 * element + 1));
}

// Gaussian rows made orthonormal by Gram and Schmidt, twice, in float64.
std::vector<double> random_orthogonal(int64_t n, const RandomStream& random) {
  std::vector<double> q(static_cast<size_t>(n * n));
  for (size_t i = 0; i < q.size(); ++i) q[i] = gaussian(random, i);
  for (int64_t row = 0; row < n; ++row) {
    double* const x = q.data() + row * n;
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t before = 0; before < row; ++before) {
        const double* const y = q.data() + before * n;
        double dot = 0;
        for (int64_t i = 0; i < n; ++i) dot += x[i] * y[i];
        for (int64_t i = 0; i < n; ++i) x[i] -= dot * y[i];
      }
    }
    double square = 0;
    for (int64_t i = 0; i < n; ++i) square += x[i] * x[i];
    for (int64_t i = 0; i < n; ++i) x[i] /= std::sqrt(square);
  }
  return q;
}

// x ← x·H of size n, a power of two, not normalised.
void hadamard(float* x, int64_t n) {
  for (int64_t half = 1; half < n; half *= 2) {
    for (int64_t begin = 0; begin < n; begin += 2 * half) {
      for (int64_t i = begin; i < begin + half; ++i) {
        const float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
}

}  // namespace

Rotation::Rotation(int64_t width, uint64_t seed, uint32_t stream) : width_(width), power_(1) {
  while (width_ % (2 * power_) == 0) power_ *= 2;
  const RandomStream signs(seed, 1, stream), numbers(seed, 2, stream);
  for (int64_t i = 0; i < width_; ++i) {
    signs_.push_back(signs.bits(static_cast<uint64_t>(i)) & 1 ? 1.0f : -1.0f);
  }
  const int64_t rest = width_ / power_;
  const std::vector<double> mixed = rest == 1 ? std::vector<double>{1} : random_orthogonal(rest, numbers);
  for (const double x : mixed) mixed_.push_back(static_cast<float>(x / std::sqrt(static_cast<double>(power_))));
}

// x [D] seen as [rest, power]: Hadamard along the rows, the mixed matrix along the columns.
void Rotation::rotate(float* x, float* scratch) const {
  const int64_t rest = width_ / power_;
  for (int64_t i = 0; i < width_; ++i) x[i] *= signs_[static_cast<size_t>(i)];
  for (int64_t row = 0; row < rest; ++row) hadamard(x + row * power_, power_);
  std::fill(scratch, scratch + width_, 0.0f);
  for (int64_t from = 0; from < rest; ++from) {
    for (int64_t to = 0; to < rest; ++to) {
      const float factor = mixed_[static_cast<size_t>(from * rest + to)];
      for (int64_t i = 0; i < power_; ++i) scratch[to * power_ + i] += x[from * power_ + i] * factor;
    }
  }
  std::copy(scratch, scratch + width_, x);
}

void Rotation::rotate_rows(Tensor& x, Threads& threads) const {
  const int64_t parts = x.elements() / width_;
  threads.for_range(parts, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(width_));
    for (int64_t part = begin; part < end; ++part) rotate(x.f32() + part * width_, scratch.data());
  });
}

void Rotation::rotate_columns(Tensor& x, Threads& threads) const {
  const int64_t k = x.size(1), parts = x.size(0) / width_, strips = (k + kColumns - 1) / kColumns;
  threads.for_range(parts * strips, 1, [&](int64_t first, int64_t last) {
    std::vector<float> columns(static_cast<size_t>(kColumns * width_)), scratch(static_cast<size_t>(width_));
    for (int64_t task = first; task < last; ++task) {
      float* const block = x.f32() + task / strips * width_ * k + task % strips * kColumns;
      const int64_t count = std::min(kColumns, k - task % strips * kColumns);
      for (int64_t row = 0; row < width_; ++row) {
        for (int64_t j = 0; j < count; ++j) columns[static_cast<size_t>(j * width_ + row)] = block[row * k + j];
      }
      for (int64_t j = 0; j < count; ++j) rotate(columns.data() + j * width_, scratch.data());
      for (int64_t row = 0; row < width_; ++row) {
        for (int64_t j = 0; j < count; ++j) block[row * k + j] = columns[static_cast<size_t>(j * width_ + row)];
      }
    }
  });
}

}  // namespace octet
