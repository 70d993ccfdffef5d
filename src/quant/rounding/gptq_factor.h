#pragma once
#include <vector>

#include "quant/hessian.h"
#include "tensor/tensor.h"

namespace octet {

class Product;

struct GptqOptions {
  double damping = 0;  // share of H's mean diagonal that is added to the diagonal; 0: as few inputs ask for
  bool activation_order = true;
};

/// What all matrices with one input share: the Cholesky factor of its damped, permuted H.
class GptqFactor {
 public:
  /// Where the damped H is not positive definite ten times the damping is tried, twice; factored() is false where none
  /// is.
  GptqFactor(const Hessian& hessian, const GptqOptions& options, Threads& threads);

  bool factored() const { return !factor_.empty(); }
  double damping() const { return damping_; }  // that it took
  /// Column order[i] of the matrix is column i of the factor. The last is rounded first.
  const std::vector<int32_t>& order() const { return order_; }
  /// The squares of the Cholesky factor's diagonal: what an error of a column's own costs.
  const std::vector<float>& costs() const { return costs_; }
  /// [K,K]: below the diagonal, column i of the Cholesky factor divided by its diagonal element.
  const Tensor& unit_factor() const { return factor_; }
  /// Rows [R,K] become rows · H⁻¹, of the damped H; factored() must hold.
  void solve(Tensor& rows, Threads& threads) const;

 private:
  bool try_damping(const Tensor& sums, double damping, Threads& threads);
  void solve_lower(Tensor& rows, Product& product, Threads& threads) const;
  void solve_upper(Tensor& rows, Product& product, Threads& threads) const;
  double damping_ = 0;
  std::vector<int32_t> order_;
  std::vector<float> costs_;
  Tensor factor_;
};

}  // namespace octet
