#include "models/lstm_classifier.h"

#include "models/config_reader.h"
#include "ops/activation.h"
#include "ops/elementwise.h"
#include "ops/linear.h"
#include "ops/lstm.h"

namespace octet {
namespace {

struct Sizes {
  int64_t embedding, hidden, dense;
};

Sizes read_sizes(const Json& json, const std::string& where) {
  const ConfigReader reader{json, where};
  const int64_t hidden = reader.required("hidden_size", kMaxWidth / 4);
  return {reader.count("embedding_size", hidden, kMaxWidth), hidden, reader.count("dense_size", hidden, kMaxWidth)};
}

Activation read_activation(const ConfigReader& reader) {
  try {
    return activation_named(reader.value<std::string>("hidden_act", "relu"));
  } catch (const UsageError& e) {
    fail("{}: hidden_act: {}", reader.where, e.what());
  }
}

bool read_pooling(const ConfigReader& reader) {
  const auto name = reader.value<std::string>("pooling", "last");
  if (name != "last" && name != "mean")
    fail("{}: pooling is {}; it can be last or mean", reader.where, json_text(name));
  return name == "mean";
}

class LstmClassifier : public Classifier {
 public:
  Tensor logits(Context& ctx, std::span<const Tokens> texts) const override {
    check_texts(config, texts);
    std::vector<int64_t> lengths;
    std::vector<int32_t> ids;
    for (const Tokens& text : texts) {
      lengths.push_back(static_cast<int64_t>(text.size()));
      ids.insert(ids.end(), text.begin(), text.end());
    }
    const Tensor states = octet::lstm(ctx, embedding(ctx, table, ids), lengths, lstm);
    const Tensor pooled = mean ? mean_positions(ctx, states, lengths) : last_positions(ctx, states, lengths);
    return linear(ctx, activate(ctx, linear(ctx, pooled, dense), activation), head);
  }

  Tensor table;  // [V,E]
  Lstm lstm;
  Weight dense, head;  // [F,H]; [classes or 1,F]
  Activation activation = Activation::relu;
  bool mean = false;
};

}  // namespace

std::unique_ptr<Classifier> make_lstm_classifier(const Json& json, const std::string& where, TrainableMaker& maker) {
  const ConfigReader reader{json, where};
  const Sizes s = read_sizes(json, where);
  auto model = std::make_unique<LstmClassifier>();
  model->config = read_classifier_config(json, where);
  model->activation = read_activation(reader);
  model->mean = read_pooling(reader);
  const int64_t outputs = model->config.classes == 2 ? 1 : model->config.classes;
  model->table = maker.tensor("embedding.weight", {model->config.vocabulary, s.embedding});
  model->lstm.input = maker.linear("lstm.input", 4 * s.hidden, s.embedding, "lstm.weight_ih_l0", "lstm.bias_ih_l0");
  model->lstm.hidden = maker.linear("lstm.hidden", 4 * s.hidden, s.hidden, "lstm.weight_hh_l0", "lstm.bias_hh_l0");
  model->dense = maker.linear("dense", s.dense, s.hidden, true);
  model->head = maker.linear(kClassifierHead, outputs, s.dense, true);
  return model;
}

int64_t lstm_classifier_activations(const Json& json, const std::string& where, int64_t tokens) {
  const Sizes s = read_sizes(json, where);
  // Embedded tokens; gates twice, cells, states twice; on the way back gates twice and states.
  const int64_t used = tokens * (s.embedding + 8 * s.hidden + 3 * s.hidden + 9 * s.hidden + s.embedding);
  // Steps of one batch and the next have many sizes: memory of some waits while others are made (measured).
  return used * 5 / 2;
}

}  // namespace octet
