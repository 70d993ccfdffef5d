#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace octet {

/// How the next token is drawn; the steps in the order of Transformers: repetition penalty (Keskar et al. 2019,
/// arXiv:1909.05858), temperature, top-k, top-p (Holtzman et al. 2019, arXiv:1904.09751), min-p (Nguyen et al. 2024,
/// arXiv:2407.01082).
struct Sampling {
  float temperature = 0;  // 0: the most likely token
  int64_t top_k = 0;      // 0: all
  float top_p = 1, min_p = 0, repetition_penalty = 1;
  uint64_t seed = 0;
};

/// The token for `step` (0, 1, …) of a generation, from logits [V]; `seen` are prompt and output so far. The same
/// arguments give the same token; of equal logits the lowest id wins. The logits are changed.
int32_t sample(std::span<float> logits, std::span<const int32_t> seen, const Sampling& sampling, uint64_t step);

}  // namespace octet
