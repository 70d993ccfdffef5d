#pragma once
#include <cstdint>
#include <vector>

#include "base/threads.h"
#include "tensor/tensor.h"

namespace octet {

/// An orthogonal matrix Q [D,D] that spreads outliers over all channels: random signs, then a Hadamard matrix of the
/// largest power of two that divides D, times a random orthogonal matrix of what is left of D (QuaRot: Ashkboos et al.
/// 2024, arXiv:2404.00456; SpinQuant: Liu et al. 2024, arXiv:2405.16406). Signs and numbers are counted from the seed.
class Rotation {
 public:
  Rotation(int64_t width, uint64_t seed, uint32_t stream);
  int64_t width() const { return width_; }

  /// x [M,D] ← x·Q, in F32. For a matrix whose input is rotated; D may also be a part of the columns, each part of
  /// them rotated by itself (heads).
  void rotate_rows(Tensor& x, Threads& threads) const;
  /// x [D,K] ← Qᵀ·x. For a matrix whose output is rotated; D may also be a part of the rows.
  void rotate_columns(Tensor& x, Threads& threads) const;

 private:
  void rotate(float* x, float* scratch) const;
  int64_t width_, power_;     // power_: the Hadamard matrix's size
  std::vector<float> signs_;  // [D]
  std::vector<float> mixed_;  // [D/power, D/power], divided by sqrt(power)
};

}  // namespace octet
