#include "models/trainable.h"

#include "models/layer.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head";

/// Walks the model in the order of its parameters.
template <typename Vector, typename Linear, typename Table>
void walk(const DecoderConfig& config, Decoder& decoder, const Vector& vector, const Linear& linear,
          const Table& table) {
  decoder.config = config;
  decoder.embedding = table(kEmbedding, {config.vocabulary, config.hidden});
  for (int64_t i = 0; i < config.layers; ++i) decoder.layers.push_back(make_layer(config, i, {linear, vector}));
  decoder.norm = {vector("model.norm.weight", config.hidden), config.norm_epsilon};
  if (!config.tied) decoder.head = linear(kHead, config.vocabulary, config.hidden, false);
}

}  // namespace

Trainable make_trainable(const DecoderConfig& config, Tape& tape, const TrainableParts& parts) {
  Trainable result;
  const auto parameter = [&](const std::string& name, const Shape& shape) {
    result.parameters.push_back({name, tape.parameter(parts.values(name, shape))});
    return result.parameters.back().value;
  };
  const auto vector = [&](const std::string& name, int64_t size) { return parameter(name, {size}); };
  const auto linear = [&](const std::string& module, int64_t n, int64_t k, bool bias) {
    const auto number = static_cast<uint32_t>(result.parameters.size());
    Tensor value = parameter(module + ".weight", {n, k});
    Tensor offset = bias ? parameter(module + ".bias", {n}) : Tensor();
    result.linears.emplace_back(module, std::move(value), std::move(offset), parts.recipe(module), number);
    return result.linears.back();
  };
  walk(config, result.decoder, vector, linear, parameter);
  if (config.tied) {
    result.linears.emplace_back(kHead, result.decoder.embedding, Tensor(), parts.recipe(kHead), 0);
    result.decoder.head = result.linears.back();
  }
  return result;
}

std::vector<std::pair<std::string, Shape>> trainable_shapes(const DecoderConfig& config) {
  std::vector<std::pair<std::string, Shape>> shapes;
  const auto vector = [&](const std::string& name, int64_t size) {
    shapes.emplace_back(name, Shape{size});
    return Tensor();
  };
  const auto linear = [&](const std::string& module, int64_t n, int64_t k, bool bias) {
    shapes.emplace_back(module + ".weight", Shape{n, k});
    if (bias) shapes.emplace_back(module + ".bias", Shape{n});
    return Weight();
  };
  const auto table = [&](const std::string& name, const Shape& shape) {
    shapes.emplace_back(name, shape);
    return Tensor();
  };
  Decoder decoder;
  walk(config, decoder, vector, linear, table);
  return shapes;
}

}  // namespace octet
