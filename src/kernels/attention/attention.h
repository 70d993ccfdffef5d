#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/threads.h"
#include "kernels/kernel.h"
#include "numeric/formats.h"

namespace octet::kernels {

/// The key-value cache of one layer and one sequence, for positions 0 … capacity-1. K and V are held apart, a head after
/// the other, in blocks of kCacheBlock positions laid out for the kernels; blocks lie at absolute positions.
struct CacheLayout {
  Format format = Format::BF16;  // F32, BF16, E4M3 (one scale a tensor), INT8 (a scale per token and head)
  int64_t kv_heads = 0, head_dim = 0, capacity = 0;
  float k_scale = 1, v_scale = 1;  // of E4M3: stored = e4m3(x / scale)
  size_t bytes() const;            // of K or of V, scales of INT8 included
};
inline constexpr int64_t kCacheBlock = 64;

/// Stores k and v [count, kv_heads, head_dim] F32, as they are after rope, at positions first … first+count-1.
void append_to_cache(const CacheLayout& layout, std::byte* k_cache, std::byte* v_cache, int64_t first, int64_t count,
                     const float* k, const float* v, Threads& threads);

/// out [T, heads, head_dim] = softmax(q · Kᵀ · scale) · V for the T queries at positions first … first+T-1, each seeing the
/// keys up to its own position, at most `window` of them (0: all). heads is a multiple of kv_heads.
/// K and V are read as stored, those of the current chunk too; keys are visited in blocks at absolute positions with an
/// online softmax, so a query's result does not depend on the chunk it came in. Products multiply in `arithmetic` (F32 or BF16).
struct AttentionInput {
  const float* q = nullptr;  // [T, heads, head_dim], after rope
  int64_t queries = 0, heads = 0, first = 0, window = 0;
  float scale = 1;
  Format arithmetic = Format::F32;
};
void attention(const CacheLayout& layout, const std::byte* k_cache, const std::byte* v_cache, const AttentionInput& input,
               float* out, Threads& threads);

/// What `octet doctor` prints.
std::vector<FamilyChoice> explain_attention();

}  // namespace octet::kernels
