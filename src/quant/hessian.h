#pragma once
#include "base/threads.h"
#include "kernels/gemm/gemm.h"
#include "tensor/tensor.h"

namespace octet {

/// H = Σ x·xᵀ [K,K] over the rows of what a matrix is multiplied with: the error of codes ŵ of a row w is
/// (w-ŵ)·H·(w-ŵ)ᵀ (Frantar et al. 2022, arXiv:2210.17323). Made in blocks of products of `format`, F32 or BF16, summed
/// in F32 in a fixed order.
class Hessian {
 public:
  /// Memory that sums over many inputs may share.
  struct Scratch {
    kernels::PreparedInput prepared;
    std::vector<float> transposed, product;
    std::vector<uint16_t> narrow;
  };

  explicit Hessian(int64_t k, Format format = Format::F32);
  /// x [M,K] F32.
  void add(const Tensor& x, Scratch& scratch, Threads& threads);
  void add(const Tensor& x, Threads& threads);

  /// F32 [K,K], of which the lower triangle is made.
  const Tensor& sums() const { return sums_; }
  Tensor& sums() { return sums_; }
  int64_t rows() const { return rows_; }
  /// The mean of the square of each column of x, [K].
  std::vector<float> mean_squares() const;
  /// What it is once column j of every x is divided by factors[j].
  void divide_columns(const std::vector<float>& factors, Threads& threads);

 private:
  void add_strip(int64_t begin, int64_t width, const std::vector<float>& product, Threads& threads);
  Format format_;
  Tensor sums_;
  int64_t rows_ = 0;
};

}  // namespace octet
