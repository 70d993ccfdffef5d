#pragma once
#include <span>

#include "kernels/attention/attention.h"
#include "kernels/attention/attention_kernel.h"

namespace octet::kernels {

/// Fastest first. A new instruction set is a file with an AttentionKernel and a row here.
std::span<const Kernel<const AttentionKernel>> attention_kernels();

/// attention() with a kernel of one's choice, for tests and benchmarks.
void attention_with(const AttentionKernel& kernel, const CacheLayout& layout, const std::byte* k_cache,
                    const std::byte* v_cache, const AttentionInput& input, float* out, Threads& threads);

}  // namespace octet::kernels
