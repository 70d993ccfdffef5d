#pragma once
#include <vector>

#include "ops/context.h"

namespace octet {

/// Rotary position embedding (Su et al. 2021, arXiv:2104.09864) of the first 2·frequencies.size() numbers of each head,
/// in two halves as Hugging Face stores Llama: (x1, x2) → (x1·cos − x2·sin, x2·cos + x1·sin), times `attention_factor`.
struct Rope {
  std::vector<double> frequencies;  // radians a position
  double attention_factor = 1;
};

/// Cosines and sines of positions first … first+count-1.
class RopeTable {
 public:
  RopeTable(const Rope& rope, int64_t first, int64_t count);
  /// Rotates x [count, heads, head_dim] in place.
  void rotate(Context& ctx, Tensor& x) const;
  /// Rotates one head at a position counted from `first` the other way: the gradient of a rotation.
  void rotate_back(int64_t position, float* head) const;

 private:
  int64_t half_;
  std::vector<float> table_;   // [count, 2·half]
  std::vector<int64_t> rows_;  // 0 … count-1
};

}  // namespace octet
