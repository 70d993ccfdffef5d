#pragma once
#include "quant/options.h"
#include "quant/rounding/gptq_factor.h"

namespace octet {

/// Rounds w [N,K] (F32, BF16 or F16) column by column, moving the columns that are still to come so that they make up
/// for the error of those that are done (GPTQ: Frantar et al. 2022, arXiv:2210.17323; in the order and form of Babai's
/// nearest plane, Chen et al. 2025, arXiv:2507.18553, which needs no inverse of H). `scales`: F32 of
/// scale_shape(q, N, K), fixed beforehand. Writes N·K codes of INT8, E4M3 or E5M2; to the nearest where the factor has
/// none. The same codes for any number of threads. `row_errors` [N], unless nullptr, gets each row's error
/// (w-ŵ)·H·(w-ŵ)ᵀ, of the damped H; 0 where the factor has none.
void round_by_gptq(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
                   const GptqFactor& factor, Threads& threads, std::byte* codes,
                   std::vector<double>* row_errors = nullptr);

/// The same with scales that are searched: each row of a matrix with one scale a channel (`ranges` [N,1] F32, of a
/// weight of dtype `dtype`) is rounded with scales around that of its range, and keeps the one of the least error.
/// Writes the scales that were kept. Where rows share scales the given ranges are used.
void round_by_gptq_with_search(const Tensor& w, const Quantization& q, const Tensor& ranges, DType dtype,
                               const QuantizeOptions& options, const GptqFactor& factor, Threads& threads,
                               Tensor& scales, std::byte* codes);

}  // namespace octet
