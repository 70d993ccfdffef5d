#pragma once
#include <vector>

#include "kernels/gemm/gemm.h"
#include "quant/rounding/gptq_factor.h"

namespace octet {

/// What the layers below have done to what a matrix works on: Σ dᵀ·x over the rows x [M,K] of its input, where d is
/// what is lacking beside the float model, of the input itself [M,K] or of the output [M,N]. Rounding aims at a matrix
/// that makes up for it, w + E·H⁻¹ with E [N,K] that sum of its output (Li et al. 2025, arXiv:2504.02692; Arai and
/// Ichikawa 2025, arXiv:2504.09629).
class Drift {
 public:
  enum class Of : uint8_t { input, output };
  /// Memory that sums over many inputs may share.
  struct Scratch {
    kernels::PreparedInput prepared;
    std::vector<float> lacking, inputs, product;
    std::vector<uint16_t> narrow;
  };

  /// `rows`: K or N. Products of `format`, F32 or BF16.
  Drift(Of of, int64_t rows, int64_t columns, Format format);
  /// `lacking` [M,rows], x [M,K], F32.
  void add(const Tensor& lacking, const Tensor& x, Scratch& scratch, Threads& threads);
  /// What it is once column j of every x is divided by factors[j].
  void divide_columns(const std::vector<float>& factors);
  /// How much of E·H⁻¹ is more than chance, 0 … 1: what half of the text says of the other half, on some rows.
  double share(const GptqFactor& factor, Threads& threads) const;
  /// w [N,K] F32, moved as far as `share` and what the next layers make up for as well allow.
  Tensor target(const Tensor& w, const GptqFactor& factor, double share, Threads& threads) const;

 private:
  int64_t row_step() const;
  Of of_;
  Format format_;
  Tensor sums_;        // [rows, K]
  Tensor first_half_;  // some of the rows, of every other call alone
  int64_t seen_[2] = {0, 0};
  bool odd_ = false;
};

}  // namespace octet
