#pragma once
#include <initializer_list>
#include <span>
#include <vector>

#include "ops/context.h"
#include "ops/norm.h"
#include "ops/weight.h"

namespace octet {

/// y [M,N] = x [M,K] · wᵀ + bias. While a weight is trained, its recipe says how each of its three products is
/// multiplied (Micikevicius et al. 2022, arXiv:2209.05433; DeepSeek-AI 2024, arXiv:2412.19437; Rouhani et al. 2023,
/// arXiv:2310.10537); else the weight's scheme picks the arithmetic (Micikevicius et al. 2022, arXiv:2209.05433
/// for FP8; LLM.int8's vector-wise INT8, Dettmers et al. 2022, arXiv:2208.07339).
Tensor linear(Context& ctx, const Tensor& x, const Weight& w);

/// rmsnorm(x) [M,K], and each linear of it. Weights that share an input format share one quantization of it.
std::vector<Tensor> norm_linears(Context& ctx, const Tensor& x, const RmsNorm& norm,
                                 std::initializer_list<const Weight*> weights);

/// (silu(gate) · up) [M,K] · wᵀ (SwiGLU, Shazeer 2020, arXiv:2002.05202).
Tensor swiglu_linear(Context& ctx, const Tensor& gate, const Tensor& up, const Weight& w);

/// Each linear of x [M,K]. Trained weights share what they make of it.
std::vector<Tensor> linears(Context& ctx, const Tensor& x, std::span<const Weight* const> weights);

}  // namespace octet
