#pragma once
#include <initializer_list>
#include <vector>

#include "ops/context.h"
#include "ops/weight.h"

namespace octet {

/// y [M,N] = x [M,K] · wᵀ + bias. The weight's scheme picks the arithmetic (Micikevicius et al. 2022, arXiv:2209.05433
/// for FP8; LLM.int8's vector-wise INT8, Dettmers et al. 2022, arXiv:2208.07339).
Tensor linear(Context& ctx, const Tensor& x, const Weight& w);

/// The weight [K] of a root-mean-square norm (Zhang and Sennrich 2019, arXiv:1910.07467).
struct RmsNorm {
  Tensor weight;  // F32 [K]
  float epsilon = 1e-5f;
};

/// rmsnorm(x) [M,K], and each linear of it. Weights that share an input format share one quantization of it.
std::vector<Tensor> norm_linears(Context& ctx, const Tensor& x, const RmsNorm& norm,
                                 std::initializer_list<const Weight*> weights);

/// (silu(gate) · up) [M,K] · wᵀ (SwiGLU, Shazeer 2020, arXiv:2002.05202).
Tensor swiglu_linear(Context& ctx, const Tensor& gate, const Tensor& up, const Weight& w);

/// y [M,D] = rmsnorm(x).
Tensor rms_norm(Context& ctx, const Tensor& x, const RmsNorm& norm);

}  // namespace octet
