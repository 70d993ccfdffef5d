#include "quant/linear_algebra.h"

#include <cmath>
#include <cstring>

namespace octet {
namespace {

constexpr int64_t kBlock = 256;        // columns that are factored at once
constexpr int64_t kProductRows = 512;  // rows of a left side that are prepared at once
constexpr int64_t kSquare = 32;        // of a transposition: two of them stay in the cache

// The factor of a diagonal block [n,n], and its inverse, in float64: n³ is little beside the products.
class DiagonalBlock {
 public:
  explicit DiagonalBlock(int64_t n) : n_(n), l_(static_cast<size_t>(n * n)), inverse_(l_.size()) {}

  bool factor(const float* a, int64_t stride) {
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        double sum = a[i * stride + j];
        for (int64_t k = 0; k < j; ++k) sum -= at(l_, i, k) * at(l_, j, k);
        if (i != j) {
          at(l_, i, j) = sum / at(l_, j, j);
          continue;
        }
        if (!(sum > 0) || !std::isfinite(sum)) return false;
        at(l_, i, i) = std::sqrt(sum);
      }
    }
    return true;
  }

  void invert() {
    for (int64_t j = 0; j < n_; ++j) {
      at(inverse_, j, j) = 1 / at(l_, j, j);
      for (int64_t i = j + 1; i < n_; ++i) {
        double sum = 0;
        for (int64_t k = j; k < i; ++k) sum += at(l_, i, k) * at(inverse_, k, j);
        at(inverse_, i, j) = -sum / at(l_, i, i);
      }
    }
  }

  void store(float* a, int64_t stride) const {
    for (int64_t i = 0; i < n_; ++i) {
      for (int64_t j = 0; j <= i; ++j) a[i * stride + j] = static_cast<float>(at(l_, i, j));
    }
  }

  std::vector<float> inverse() const {
    std::vector<float> result(inverse_.size());
    for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<float>(inverse_[i]);
    return result;
  }

 private:
  double& at(std::vector<double>& m, int64_t i, int64_t j) { return m[static_cast<size_t>(i * n_ + j)]; }
  double at(const std::vector<double>& m, int64_t i, int64_t j) const { return m[static_cast<size_t>(i * n_ + j)]; }
  int64_t n_;
  std::vector<double> l_, inverse_;
};

template <typename Body>
void for_rows(Threads& threads, int64_t rows, const Body& body) {
  threads.for_range(rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

}  // namespace

void Product::multiply(const MatrixView& a, const MatrixView& b, float* y, int64_t stride) {
  const float* rows = b.data;
  if (b.stride != b.columns) {
    rows_.resize(static_cast<size_t>(b.rows * b.columns));
    for_rows(threads_, b.rows, [&](int64_t row) {
      std::memcpy(rows_.data() + row * b.columns, b.data + row * b.stride,
                  static_cast<size_t>(b.columns) * sizeof(float));
    });
    rows = rows_.data();
  }
  const kernels::WeightSource source{b.rows, b.columns, Format::F32, reinterpret_cast<const std::byte*>(rows)};
  const kernels::PackedWeight packed(source, {Format::F32}, threads_);
  for (int64_t row = 0; row < a.rows; row += kProductRows) {
    const int64_t count = std::min(kProductRows, a.rows - row);
    prepared_.prepare(a.data + row * a.stride, count, a.columns, a.stride, packed.input(), threads_);
    kernels::gemm(prepared_, packed, nullptr, y + row * stride, stride, threads_);
  }
}

bool cholesky(Tensor& matrix, Threads& threads) {
  const int64_t k = matrix.size(0);
  float* a = matrix.f32();
  Product product(threads);
  std::vector<float> made(static_cast<size_t>(k * std::min(k, kBlock)));
  for (int64_t begin = 0; begin < k; begin += kBlock) {
    const int64_t width = std::min(kBlock, k - begin), end = begin + width;
    float* diagonal = a + begin * k + begin;
    if (begin > 0) {
      const float* left = a + begin * k;
      product.multiply({left, k - begin, begin, k}, {left, width, begin, k}, made.data(), width);
      for_rows(threads, k - begin, [&](int64_t row) {
        const int64_t used = std::min(width, row + 1);  // of the diagonal block, the lower triangle
        for (int64_t j = 0; j < used; ++j) diagonal[row * k + j] -= made[static_cast<size_t>(row * width + j)];
      });
    }
    DiagonalBlock block(width);
    if (!block.factor(diagonal, k)) return false;
    block.store(diagonal, k);
    if (end == k) break;
    block.invert();
    const std::vector<float> inverse = block.inverse();
    float* below = a + end * k + begin;
    product.multiply({below, k - end, width, k}, {inverse.data(), width, width, width}, made.data(), width);
    for_rows(threads, k - end, [&](int64_t row) {
      std::memcpy(below + row * k, made.data() + row * width, static_cast<size_t>(width) * sizeof(float));
    });
  }
  return true;
}

void transpose(const MatrixView& x, float* out, Threads& threads) {
  const int64_t strips = (x.columns + kSquare - 1) / kSquare;
  threads.for_range(strips, 1, [&](int64_t first, int64_t last) {
    for (int64_t strip = first; strip < last; ++strip) {
      const int64_t begin = strip * kSquare, end = std::min(x.columns, begin + kSquare);
      for (int64_t top = 0; top < x.rows; top += kSquare) {
        const int64_t bottom = std::min(x.rows, top + kSquare);
        for (int64_t column = begin; column < end; ++column) {
          for (int64_t row = top; row < bottom; ++row) out[column * x.rows + row] = x.data[row * x.stride + column];
        }
      }
    }
  });
}

}  // namespace octet
