#pragma once
#include "quant/hessian.h"
#include "quant/options.h"
#include "tensor/tensor.h"

namespace octet {

struct LearnedRoundingOptions {
  int iterations = 300;
  float rate = 0.05f;
  float regularization = 0.02f;
};

/// Learns for every number of w [N,K] whether it is rounded up or down, so that the output's error (w-ŵ)·H·(w-ŵ)ᵀ is
/// least (AdaRound: Nagel et al. 2020, arXiv:2004.10568: a rectified sigmoid pulled to 0 or 1 while the error is
/// descended by Adam), all of H at once instead of batches. A row that did not gain by it is rounded to the nearest.
/// `scales`: F32 of scale_shape(q, N, K). Writes N·K codes; they do not depend on threads.
void round_by_learning(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
                       const Hessian& hessian, const LearnedRoundingOptions& learning, Threads& threads,
                       std::byte* codes);

}  // namespace octet
