#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "files/quantization_config.h"
#include "kernels/attention/attention.h"
#include "models/config.h"
#include "tensor/tensor.h"

namespace octet {

/// K and V of one sequence, layer by layer, for at most `capacity` positions.
class KvCache {
 public:
  /// `format`: F32, BF16, E4M3 or INT8. `scales` of an FP8 cache: one a layer, or none (1).
  KvCache(const DecoderConfig& config, Format format, int64_t capacity, std::span<const KvScales> scales = {});

  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  /// The positions of a finished step count from now on; a smaller length forgets the end.
  void set_length(int64_t length) { length_ = length; }
  int64_t bytes() const;

  struct Layer {
    kernels::CacheLayout layout;
    Tensor k, v;
  };
  Layer& layer(int64_t i) { return layers_[static_cast<size_t>(i)]; }

 private:
  int64_t length_ = 0, capacity_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace octet
