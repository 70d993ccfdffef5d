#include "models/kv_cache.h"

namespace octet {

KvCache::KvCache(const DecoderConfig& config, Format format, int64_t capacity, std::span<const KvScales> scales)
    : capacity_(capacity) {
  for (int64_t i = 0; i < config.layers; ++i) {
    Layer layer;
    layer.layout = {format, config.kv_heads, config.head_dim, capacity};
    if (!scales.empty()) {
      layer.layout.k_scale = scales[static_cast<size_t>(i)].k;
      layer.layout.v_scale = scales[static_cast<size_t>(i)].v;
    }
    const auto bytes = static_cast<int64_t>(layer.layout.bytes());
    // Zeroed: a kernel reads whole blocks, and what stands after the last position must be finite.
    layer.k = Tensor::zeros({bytes}, DType::U8);
    layer.v = Tensor::zeros({bytes}, DType::U8);
    layers_.push_back(std::move(layer));
  }
}

int64_t KvCache::bytes() const {
  int64_t bytes = 0;
  for (const Layer& layer : layers_) bytes += layer.k.bytes() + layer.v.bytes();
  return bytes;
}

}  // namespace octet
