#pragma once
#include <span>

#include "models/decoder.h"

namespace octet {

/// Tokens that go through the model at once unless told otherwise: enough to fill the kernels, little memory.
inline constexpr int64_t kDefaultChunk = 512;

/// Runs `tokens` through the model in pieces of at most `chunk`, so that memory does not grow with the prompt.
/// → hidden [1,D] of the last token.
Tensor prefill(Context& ctx, const Decoder& decoder, KvCache& cache, std::span<const int32_t> tokens,
               int64_t chunk = kDefaultChunk);

}  // namespace octet
