#pragma once
#include <cstdint>
#include <span>

#include "base/threads.h"

namespace octet::kernels {

/// Rows [begin, begin + count) of a batch are one sequence.
struct Sequence {
  int64_t begin = 0, count = 0;
};

/// Attention over whole sequences in F32, as it is trained. q and out [M,heads,head_dim], k and v
/// [M,kv_heads,head_dim]; query i of a sequence sees keys up to i (all of them where not `causal`), at most `window`
/// (0: any number).
struct WholeAttention {
  int64_t heads = 0, kv_heads = 0, head_dim = 0, window = 0;
  float scale = 1;
  bool causal = true;
};

/// out = softmax(q · kᵀ · scale) · v, and for each row and head the logarithm of its sum of exponentials, [M,heads]
/// (Dao 2023, arXiv:2307.08691). The same bits for any number of threads.
void attention_forward(const WholeAttention& a, std::span<const Sequence> sequences, const float* q, const float* k,
                       const float* v, float* out, float* log_sums, Threads& threads);

/// dq, dk and dv from dout; all rows of sequences are written.
void attention_backward(const WholeAttention& a, std::span<const Sequence> sequences, const float* q, const float* k,
                        const float* v, const float* out, const float* log_sums, const float* dout, float* dq,
                        float* dk, float* dv, Threads& threads);

}  // namespace octet::kernels
