#pragma once
#include "models/config.h"
#include "ops/rope.h"

namespace octet {

/// The rotation of a model for a sequence of `length` positions; only `dynamic` depends on it. Formulas as
/// Transformers' modeling_rope_utils: linear (Chen et al. 2023, arXiv:2306.15595), dynamic NTK, llama3 (Dubey et al.
/// 2024, arXiv:2407.21783), yarn (Peng et al. 2023, arXiv:2309.00071).
Rope make_rope(const RopeConfig& config, int64_t head_dim, int64_t max_positions, int64_t length = 0);

}  // namespace octet
