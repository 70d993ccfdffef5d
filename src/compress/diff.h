#pragma once
#include <string>
#include <vector>

#include "base/threads.h"
#include "files/checkpoint.h"

namespace octet {

/// How one tensor, or the codes and scales of one quantized module, differs between two checkpoints.
struct TensorDifference {
  std::string name;             // "model.layers.3.mlp.up_proj.weight"
  std::string why;              // "only in A", "shapes [4, 4] and [4, 8]"; empty: the numbers were compared
  int64_t codes = 0;            // how many there are
  int64_t codes_different = 0;  // codes, where both hold codes of one format; else numbers
  int64_t scales_different = 0;
  int64_t max_code_step = 0;      // how many INT8 codes lie between two that differ, at most
  double max_error = 0;           // of the numbers they stand for; NaN or infinite where one that differs is
  int64_t row = -1, column = -1;  // where that is, the first such place; -1: nowhere
  float first = 0, second = 0;    // the two numbers there
};

/// The tensors that differ, in A's order, then those only B has. Quantized modules count as one tensor, their weight.
/// Throws Error for what neither can be read as.
std::vector<TensorDifference> diff_checkpoints(const Checkpoint& a, const Checkpoint& b, Threads& threads);

}  // namespace octet
