#include "train/memory.h"

#include "models/architectures.h"
#include "models/trainable.h"

namespace octet::train {
namespace {

constexpr int64_t kFloat = 4;

/// Numbers a layer keeps for its way back: inputs of norms and linears, q, k and v, what attention gives, gate, up and
/// their product.
int64_t kept_by_layer(const DecoderConfig& c, int64_t m) {
  const int64_t width = c.heads * c.head_dim, kv_width = c.kv_heads * c.head_dim;
  const int64_t attention = 2 * c.hidden + 2 * width + 2 * kv_width + c.heads;
  const int64_t mlp = 2 * c.hidden + 3 * c.intermediate;
  const int64_t norms = c.architecture->qk_norm ? width + kv_width : 0;
  return m * (attention + mlp + norms);
}

}  // namespace

MemoryEstimate estimate_memory(std::span<const std::pair<std::string, Shape>> tensors, int64_t activations,
                               const TrainConfig& train) {
  MemoryEstimate estimate;
  int64_t largest = 0;
  for (const auto& [name, shape] : tensors) {
    const int64_t n = elements_of(shape);
    estimate.parameters += n;
    if (name.find("embed") == name.npos) largest = std::max(largest, n);
    estimate.optimizer += OptimizerState::bytes_for(train.optimizer, n);
  }
  estimate.weights = estimate.gradients = kFloat * estimate.parameters;
  estimate.activations = kFloat * activations;
  estimate.operands = kFloat * largest;
  return estimate;
}

int64_t teacher_activations(const DecoderConfig& c, const TrainConfig& train) {
  const int64_t m = train.batch_size * train.sequence_length;
  return kFloat * m * (4 * c.vocabulary + 3 * c.intermediate + 4 * c.hidden);
}

MemoryEstimate estimate_memory(const DecoderConfig& c, const TrainConfig& train) {
  const auto tensors = trainable_shapes(c);
  MemoryEstimate estimate = estimate_memory(tensors, 0, train);
  int64_t largest = 0;
  for (const auto& [name, shape] : tensors) largest = std::max(largest, elements_of(shape));
  const int64_t m = train.batch_size * train.sequence_length;
  const int64_t layer = kept_by_layer(c, m);
  // All layers, the last norm and the logits; on the way back a layer's own gradients, in memory of other sizes.
  const int64_t layers = train.recompute ? c.layers * m * c.hidden : c.layers * layer;
  const int64_t head = m * c.vocabulary + 2 * m * c.hidden;
  const int64_t back = m * (3 * c.intermediate + 4 * c.hidden) + (train.recompute ? layer : 0);
  estimate.activations = kFloat * (layers + head + back);
  // Operands of the head are the largest: dlogitsᵀ and the head or its input.
  const int64_t left = std::max(m * c.vocabulary, m * c.intermediate);
  const int64_t bytes = train.precision == "fp32" ? kFloat : 2;
  estimate.operands = bytes * (left + largest + m * std::max(c.hidden, c.intermediate));
  return estimate;
}

}  // namespace octet::train
