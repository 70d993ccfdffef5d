#pragma once
#include "base/threads.h"
#include "quant/hessian.h"
#include "quant/options.h"
#include "tensor/tensor.h"

namespace octet {

/// Makes H whole, its diagonal damped by a share of its mean: what descend() walks on.
void prepare_descent(Tensor& sums, double damping, Threads& threads);

/// Improves codes that another rounding found: one number of a row after the other moves to the code that is best while
/// all others stay, until none moves or `sweeps` are done (coordinate descent: QuantEase, Behdin et al. 2023,
/// arXiv:2309.01885). The error (w-ŵ)·H·(w-ŵ)ᵀ of a row never grows. `h`: as prepare_descent() leaves it. The same
/// codes for any number of threads.
void descend(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
             const Tensor& h, int sweeps, Threads& threads, std::byte* codes);

}  // namespace octet
