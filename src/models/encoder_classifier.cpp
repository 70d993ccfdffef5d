#include "models/encoder_classifier.h"

#include "models/config_reader.h"
#include "models/lstm_classifier.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/norm.h"

namespace octet {
namespace {

struct EncoderConfig {
  int64_t hidden, intermediate, layers, heads, types;
  float norm_epsilon;
  Activation activation;
};

Activation read_activation(const ConfigReader& reader) {
  const auto name = reader.value<std::string>("hidden_act", "gelu");
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  if (name == "relu") return Activation::relu;
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "tanh") return Activation::tanh;
  fail("{}: hidden_act {} is not supported; supported are gelu, gelu_new, relu, silu, tanh", reader.where,
       json_text(name));
}

EncoderConfig read_encoder_config(const Json& json, const std::string& where) {
  const ConfigReader reader{json, where};
  EncoderConfig c{};
  c.hidden = reader.required("hidden_size", kMaxWidth);
  c.intermediate = reader.required("intermediate_size", kMaxWidth);
  c.layers = reader.required("num_hidden_layers", kMaxLayers);
  c.heads = reader.required("num_attention_heads", kMaxWidth);
  c.types = reader.count("type_vocab_size", 2, kMaxWidth);
  c.norm_epsilon = static_cast<float>(reader.positive("layer_norm_eps", 1e-12));
  c.activation = read_activation(reader);
  if (c.hidden % c.heads)
    fail("{}: hidden_size {} is not a multiple of num_attention_heads {}", where, c.hidden, c.heads);
  if (const auto type = reader.value<std::string>("position_embedding_type", "absolute"); type != "absolute")
    fail("{}: position_embedding_type {} is not supported; supported is absolute", where, json_text(type));
  return c;
}

struct EncoderLayer {
  Weight query, key, value, attention_output, intermediate, output;
  LayerNorm attention_norm, output_norm;

  /// x [M,D] → [M,D], a norm behind each half.
  Tensor forward(Context& ctx, const Tensor& x, const EncoderConfig& c, std::span<const Sequence> texts) const {
    const Weight* inputs[] = {&query, &key, &value};
    const auto projected = linears(ctx, x, inputs);
    const int64_t width = c.hidden / c.heads;
    const WholeAttention shape{c.heads, c.heads, width, 0, 1.0f / std::sqrt(static_cast<float>(width)), false};
    const Tensor mixed = octet::attention(ctx, projected[0], projected[1], projected[2], shape, texts);
    Tensor attended = linear(ctx, mixed, attention_output);
    add_to(ctx, attended, x);
    attended = layer_norm(ctx, attended, attention_norm);
    Tensor y = linear(ctx, activate(ctx, linear(ctx, attended, intermediate), c.activation), output);
    add_to(ctx, y, attended);
    return layer_norm(ctx, y, output_norm);
  }
};

class EncoderClassifier : public Classifier {
 public:
  explicit EncoderClassifier(const EncoderConfig& c) : encoder(c) {}

  Tensor logits(Context& ctx, std::span<const Tokens> texts) const override {
    check_texts(config, texts);
    std::vector<Sequence> sequences;
    std::vector<int32_t> ids, places, firsts;
    for (const Tokens& text : texts) {
      const auto count = static_cast<int64_t>(text.size());
      firsts.push_back(static_cast<int32_t>(ids.size()));
      sequences.push_back({static_cast<int64_t>(ids.size()), count});
      ids.insert(ids.end(), text.begin(), text.end());
      for (int64_t i = 0; i < count; ++i) places.push_back(static_cast<int32_t>(i));
    }
    Tensor x = embedding(ctx, words, ids);
    add_to(ctx, x, embedding(ctx, types, std::vector<int32_t>(ids.size(), 0)));
    add_to(ctx, x, embedding(ctx, positions, places));
    x = layer_norm(ctx, x, norm);
    for (const EncoderLayer& layer : layers) x = layer.forward(ctx, x, encoder, sequences);
    const Tensor first = embedding(ctx, x, firsts);  // a text's first row
    return linear(ctx, activate(ctx, linear(ctx, first, pooler), Activation::tanh), head);
  }

  EncoderConfig encoder;
  Tensor words, positions, types;  // [V,D], [P,D], [types,D]
  LayerNorm norm;
  std::vector<EncoderLayer> layers;
  Weight pooler, head;
};

LayerNorm make_norm(TrainableMaker& maker, const std::string& name, const EncoderConfig& c) {
  LayerNorm norm{maker.tensor(name + ".weight", {c.hidden}), {}, c.norm_epsilon};
  norm.bias = maker.tensor(name + ".bias", {c.hidden});
  return norm;
}

EncoderLayer make_encoder_layer(TrainableMaker& maker, const std::string& name, const EncoderConfig& c) {
  EncoderLayer layer;
  layer.query = maker.linear(name + ".attention.self.query", c.hidden, c.hidden, true);
  layer.key = maker.linear(name + ".attention.self.key", c.hidden, c.hidden, true);
  layer.value = maker.linear(name + ".attention.self.value", c.hidden, c.hidden, true);
  layer.attention_output = maker.linear(name + ".attention.output.dense", c.hidden, c.hidden, true);
  layer.attention_norm = make_norm(maker, name + ".attention.output.LayerNorm", c);
  layer.intermediate = maker.linear(name + ".intermediate.dense", c.intermediate, c.hidden, true);
  layer.output = maker.linear(name + ".output.dense", c.hidden, c.intermediate, true);
  layer.output_norm = make_norm(maker, name + ".output.LayerNorm", c);
  return layer;
}

}  // namespace

std::unique_ptr<Classifier> make_encoder_classifier(const Json& json, const std::string& where, TrainableMaker& maker) {
  const EncoderConfig c = read_encoder_config(json, where);
  auto model = std::make_unique<EncoderClassifier>(c);
  model->config = read_classifier_config(json, where);
  const std::string embeddings = "bert.embeddings.";
  model->words = maker.tensor(embeddings + "word_embeddings.weight", {model->config.vocabulary, c.hidden});
  model->positions = maker.tensor(embeddings + "position_embeddings.weight", {model->config.max_positions, c.hidden});
  model->types = maker.tensor(embeddings + "token_type_embeddings.weight", {c.types, c.hidden});
  model->norm = make_norm(maker, embeddings + "LayerNorm", c);
  for (int64_t i = 0; i < c.layers; ++i) {
    model->layers.push_back(make_encoder_layer(maker, fmt::format("bert.encoder.layer.{}", i), c));
  }
  model->pooler = maker.linear("bert.pooler.dense", c.hidden, c.hidden, true);
  model->head = maker.linear(kClassifierHead, model->config.classes, c.hidden, true);
  return model;
}

int64_t encoder_classifier_activations(const Json& json, const std::string& where, int64_t tokens) {
  const EncoderConfig c = read_encoder_config(json, where);
  const int64_t layer = 10 * c.hidden + 2 * c.intermediate + c.heads;
  return tokens * (c.layers * layer + 4 * c.hidden + 3 * c.intermediate + 4 * c.hidden);
}

}  // namespace octet
