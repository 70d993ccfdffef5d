#include "models/trainable.h"

#include "models/layer.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head";

/// Walks the model in the order of its parameters.
void walk(const DecoderConfig& config, Decoder& decoder, TrainableMaker& maker) {
  const Parts parts{
      [&](const std::string& module, int64_t n, int64_t k, bool bias) { return maker.linear(module, n, k, bias); },
      [&](const std::string& name, int64_t size) { return maker.tensor(name, {size}); }};
  decoder.config = config;
  decoder.embedding = maker.tensor(kEmbedding, {config.vocabulary, config.hidden});
  for (int64_t i = 0; i < config.layers; ++i) decoder.layers.push_back(make_layer(config, i, parts));
  decoder.norm = {maker.tensor("model.norm.weight", {config.hidden}), config.norm_epsilon};
  decoder.head = config.tied ? maker.tied_linear(kHead, decoder.embedding)
                             : maker.linear(kHead, config.vocabulary, config.hidden, false);
}

}  // namespace

Tensor TrainableMaker::tensor(const std::string& name, const Shape& shape) {
  if (shapes_) {
    shapes_->emplace_back(name, shape);
    return {};
  }
  result_->parameters.push_back({name, tape_->parameter(parts_->values(name, shape))});
  return result_->parameters.back().value;
}

Weight TrainableMaker::linear(const std::string& module, int64_t n, int64_t k, bool bias) {
  return linear(module, n, k, module + ".weight", bias ? module + ".bias" : "");
}

Weight TrainableMaker::linear(const std::string& module, int64_t n, int64_t k, const std::string& weight,
                              const std::string& bias) {
  const auto number = static_cast<uint32_t>(shapes_ ? 0 : result_->parameters.size());
  Tensor value = tensor(weight, {n, k});
  Tensor offset = bias.empty() ? Tensor() : tensor(bias, {n});
  if (shapes_) return {};
  result_->linears.emplace_back(module, std::move(value), std::move(offset), parts_->recipe(module), number);
  return result_->linears.back();
}

Weight TrainableMaker::tied_linear(const std::string& module, const Tensor& value) {
  if (shapes_) return {};
  result_->linears.emplace_back(module, value, Tensor(), parts_->recipe(module), 0);
  return result_->linears.back();
}

TrainableDecoder make_trainable(const DecoderConfig& config, Tape& tape, const TrainableParts& parts) {
  TrainableDecoder result;
  TrainableMaker maker(tape, parts, result);
  walk(config, result.decoder, maker);
  return result;
}

std::vector<std::pair<std::string, Shape>> trainable_shapes(const DecoderConfig& config) {
  std::vector<std::pair<std::string, Shape>> shapes;
  TrainableMaker maker(shapes);
  Decoder decoder;
  walk(config, decoder, maker);
  return shapes;
}

}  // namespace octet
