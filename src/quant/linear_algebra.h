#pragma once
#include "base/threads.h"
#include "kernels/gemm/gemm.h"
#include "tensor/tensor.h"

namespace octet {

/// A matrix in row-major floats, rows `stride` apart.
struct MatrixView {
  const float* data;
  int64_t rows, columns, stride;
};

/// a [M,K] · b [N,K]ᵀ in F32, K summed in ascending order. Keeps its scratch memory: at most kProductRows rows of a and
/// all of b.
class Product {
 public:
  explicit Product(Threads& threads) : threads_(threads) {}
  /// y [M,N] = a · bᵀ, rows of y `stride` floats apart.
  void multiply(const MatrixView& a, const MatrixView& b, float* y, int64_t stride);

 private:
  Threads& threads_;
  kernels::PreparedInput prepared_;
  std::vector<float> rows_;
};

/// a [K,K] F32, symmetric, of which the lower triangle is read → its Cholesky factor L (a = L·Lᵀ) in the lower
/// triangle; what stands above the diagonal stays. False, and a half-made triangle, where a is not positive definite.
/// Left-looking in blocks, all sums in a fixed order: the same bits for any number of threads.
bool cholesky(Tensor& a, Threads& threads);

/// xᵀ [C,M] of x [M,C] with rows `stride` floats apart.
void transpose(const MatrixView& x, float* out, Threads& threads);

}  // namespace octet
