#pragma once
#include "base/threads.h"
#include "quant/options.h"
#include "tensor/tensor.h"

namespace octet {

/// Rounds every number of w [n,K] (F32, BF16, F16; rows first_row … of a larger matrix) to the nearest code on its own:
/// code = round(clamp(w / scale)). `scales`: F32 of scale_shape(q, n, K), as they will be stored. Writes n·K codes of
/// INT8, E4M3 or E5M2.
void round_to_nearest(const Tensor& w, int64_t first_row, const Quantization& q, const Tensor& scales,
                      const QuantizeOptions& options, std::byte* codes);
/// All of a matrix, on all threads.
void round_rows_to_nearest(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
                           Threads& threads, std::byte* codes);

}  // namespace octet
