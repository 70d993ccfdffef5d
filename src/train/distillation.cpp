#include "train/distillation.h"

#include "base/error.h"
#include "numeric/random.h"
#include "ops/linear.h"
#include "ops/loss.h"

namespace octet::train {
namespace {

constexpr uint32_t kFirstNumber = 1u << 30;  // of the projections' random numbers: no tensor of a model has it

/// Uniform in ±1/sqrt(K).
Tensor first_projection(const Shape& shape, uint64_t seed, uint32_t number) {
  Tensor x(shape);
  const RandomStream random(seed, 0, number);
  const double bound = 1 / std::sqrt(static_cast<double>(shape[1]));
  for (int64_t i = 0; i < x.elements(); ++i) {
    x.f32()[i] = static_cast<float>(bound * (random.block(static_cast<uint64_t>(i))[0] * 0x1p-31 - 1));
  }
  return x;
}

}  // namespace

std::vector<LayerPair> even_pairs(int64_t student_layers, int64_t teacher_layers) {
  std::vector<LayerPair> pairs;
  for (int64_t layer = 1; layer <= student_layers; ++layer) {
    pairs.push_back({layer, (2 * layer * teacher_layers + student_layers) / (2 * student_layers)});
  }
  return pairs;
}

Teacher::Teacher(const DecoderConfig& config, const TrainableParts& parts, Threads& threads)
    : ctx_(threads), model_(make_trainable(config, tape_, parts)) {
  ctx_.tape = &tape_;
  tape_.set_recording(false);
}

Teacher::Outputs Teacher::outputs(const Batch& batch, std::span<const LayerPair> pairs) {
  Outputs result;
  for (const LayerPair& pair : pairs) result.layers[pair.teacher];
  std::vector<Input> inputs;
  for (const auto& tokens : batch.inputs) inputs.push_back({tokens, nullptr});
  result.logits = model_.decoder.logits(ctx_, model_.decoder.forward(ctx_, inputs, &result.layers));
  tape_.clear();
  return result;
}

Distiller::Distiller(Distillation distillation, int64_t width, Tape& tape) : options_(std::move(distillation)) {
  if (!options_.teacher || options_.hidden_weight == 0) options_.pairs.clear();
  if (!options_.teacher || options_.teacher->config().hidden == width) return;
  for (size_t i = 0; i < options_.pairs.size(); ++i) {
    const auto number = kFirstNumber + static_cast<uint32_t>(i);
    const Shape shape = {options_.teacher->config().hidden, width};
    projections_.push_back(
        {fmt::format("distillation.projection.{}", i), tape.parameter(first_projection(shape, options_.seed, number))});
    linears_.emplace_back(projections_.back().name, projections_.back().value, Tensor(), LinearRecipe(), number);
  }
}

LayerOutputs Distiller::wanted() const {
  LayerOutputs layers;
  for (const LayerPair& pair : options_.pairs) layers[pair.student];
  return layers;
}

Tensor Distiller::loss(Context& ctx, const Batch& batch, const Tensor& hard, const Tensor& logits,
                       const LayerOutputs& layers) const {
  const Teacher::Outputs teacher = options_.teacher->outputs(batch, options_.pairs);
  const Tensor soft = kl_divergence(ctx, logits, teacher.logits, static_cast<float>(options_.temperature));
  const auto weight = static_cast<float>(options_.weight);
  Tensor loss = mix(ctx, hard, 1 - weight, soft, weight);
  const double share = options_.hidden_weight / static_cast<double>(options_.pairs.size());
  for (size_t i = 0; i < options_.pairs.size(); ++i) {
    const Tensor& x = layers.at(options_.pairs[i].student);
    const Tensor& y = teacher.layers.at(options_.pairs[i].teacher);
    const Tensor error = mean_squared_error(ctx, linears_.empty() ? x : linear(ctx, x, linears_[i]),
                                            {y.f32(), static_cast<size_t>(y.elements())});
    loss = mix(ctx, loss, 1, error, static_cast<float>(share));
  }
  return loss;
}

}  // namespace octet::train
