#pragma once
#include "kernels/gemm/layout.h"

namespace octet::kernels {

/// The left side as the tiles read it: x itself, or a copy rearranged for w.
struct LeftSide {
  const std::byte* rows = nullptr;  // [m] of row_bytes
  int64_t row_bytes = 0;
  const void* sums = nullptr;  // [segments][m] int32 or float, or nullptr
};

/// May use memory of the calling thread, until it asks again.
LeftSide left_side(const PreparedInput::Layout& x, const PackedWeight::Layout& w, Threads& threads);

}  // namespace octet::kernels
