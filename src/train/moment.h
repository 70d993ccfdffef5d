#pragma once
#include "numeric/random.h"
#include "train/optimizer.h"

namespace octet::train {

/// A moment of n numbers, all 0.
Moment make_moment(StateFormat format, bool is_signed, int64_t n);

/// Throws Error unless the state is one of n numbers made with these options, such as one read from a checkpoint.
void check_moments(const OptimizerState& state, const OptimizerOptions& options, int64_t n);

/// Numbers at … at+size-1 of a moment of eight bits as F32; `at` begins a block and size is at most one block.
void load_block(const Moment& moment, int64_t at, int64_t size, float* out);

/// How store_block rounds second moments; first ones go to the nearest code.
struct MomentRounding {
  bool keep_positive = true;
  const RandomStream* random = nullptr;  ///< stochastically, by 16 bits an element; nullptr: to the nearest
};

/// Back again. fp8: scale = amax / 448, code = E4M3(x / scale); int8: scale = amax, code = a number of the dynamic map
/// for x / scale; amax at least 1e-12. `values` are overwritten.
void store_block(Moment& moment, int64_t at, int64_t size, float* values, const MomentRounding& rounding);

}  // namespace octet::train
