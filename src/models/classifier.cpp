#include "models/classifier.h"

#include "models/config_reader.h"
#include "models/encoder_classifier.h"
#include "models/lstm_classifier.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr ClassifierKind kKinds[] = {
    {"octet_lstm_classifier", "OctetLstmClassifier", "an LSTM text classifier", false, make_lstm_classifier,
     lstm_classifier_activations},
    {"bert", "BertForSequenceClassification", "an encoder text classifier", true, make_encoder_classifier,
     encoder_classifier_activations},
};

const ClassifierKind& kind_of(const Json& config, const std::string& where) {
  const ClassifierKind* kind = classifier_kind_of(config);
  if (!kind) fail("{}: architectures names no classifier that Octet knows", where);
  return *kind;
}

/// The names of id2label in the order of their numbers.
std::vector<std::string> read_labels(const Json& config, const std::string& where) {
  const auto found = config.find("id2label");
  if (found == config.end() || found->is_null()) return {};
  if (!found->is_object()) fail("{}: id2label must say a name for each class", where);
  std::vector<std::string> labels;
  for (size_t i = 0; i < found->size(); ++i) {
    const auto name = found->find(std::to_string(i));
    if (name == found->end() || !name->is_string()) fail("{}: id2label has no name for class {}", where, i);
    labels.push_back(name->get<std::string>());
  }
  return labels;
}

}  // namespace

std::span<const ClassifierKind> classifier_kinds() {
  return kKinds;
}

const ClassifierKind* classifier_kind_of(const Json& config) {
  const auto found = config.is_object() ? config.find("architectures") : config.end();
  if (found == config.end() || !found->is_array() || found->empty() || !(*found)[0].is_string()) return nullptr;
  for (const ClassifierKind& kind : kKinds) {
    if ((*found)[0] == kind.architecture) return &kind;
  }
  return nullptr;
}

ClassifierConfig read_classifier_config(const Json& json, const std::string& where) {
  const ConfigReader reader{json, where};
  ClassifierConfig c;
  c.vocabulary = reader.required("vocab_size", kMaxWidth * 4);
  c.max_positions = reader.count("max_position_embeddings", 512, kMaxPositions);
  c.layers = reader.count("num_hidden_layers", 1, kMaxLayers);
  c.labels = read_labels(json, where);
  const auto named = static_cast<int64_t>(c.labels.size());
  c.classes = reader.count("num_labels", named > 0 ? named : 2, kMaxWidth);
  if (c.classes < 2) fail("{}: there is {} class; a classifier needs two", where, c.classes);
  if (named > 0 && named != c.classes) fail("{}: num_labels is {} and id2label has {} names", where, c.classes, named);
  const auto pad = reader.value<int64_t>("pad_token_id", 0);
  if (pad < 0 || pad >= c.vocabulary) fail("{}: pad_token_id {} is outside the vocabulary", where, pad);
  c.pad = static_cast<int32_t>(pad);
  return c;
}

std::unique_ptr<Classifier> make_classifier(const Json& config, const std::string& where, Tape& tape,
                                            const TrainableParts& parts) {
  Trainable trainable;
  TrainableMaker maker(tape, parts, trainable);
  auto classifier = kind_of(config, where).make(config, where, maker);
  classifier->trainable = std::move(trainable);
  return classifier;
}

std::vector<std::pair<std::string, Shape>> classifier_shapes(const Json& config, const std::string& where) {
  std::vector<std::pair<std::string, Shape>> shapes;
  TrainableMaker maker(shapes);
  kind_of(config, where).make(config, where, maker);
  return shapes;
}

std::vector<int32_t> predicted_classes(const Tensor& logits) {
  std::vector<int32_t> classes;
  const int64_t n = logits.size(1);
  for (int64_t row = 0; row < logits.size(0); ++row) {
    const float* x = logits.f32() + row * n;
    classes.push_back(n == 1 ? x[0] > 0 : static_cast<int32_t>(std::max_element(x, x + n) - x));
  }
  return classes;
}

void check_texts(const ClassifierConfig& config, std::span<const Tokens> texts) {
  for (const Tokens& text : texts) {
    if (text.empty()) fail("a text without tokens cannot be classified");
    if (static_cast<int64_t>(text.size()) > config.max_positions) {
      fail("a text of {} tokens is longer than the model's {} positions", text.size(), config.max_positions);
    }
  }
}

}  // namespace octet
