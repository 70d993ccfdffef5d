#include "train/text_classifier.h"

#include "base/json.h"
#include "ops/loss.h"

namespace octet::train {
namespace {

Tensor loss_of(Context& ctx, const Tensor& logits, std::span<const int32_t> labels) {
  if (logits.size(1) > 1) return cross_entropy(ctx, logits, labels);
  return binary_cross_entropy(ctx, logits, std::vector<float>(labels.begin(), labels.end()));
}

}  // namespace

Tensor TextClassifier::loss(Context& ctx, const Batch& batch) {
  return loss_of(ctx, classifier_->logits(ctx, batch.inputs), batch.targets);
}

Score TextClassifier::score(Context& ctx, const Batch& batch) {
  const Tensor logits = classifier_->logits(ctx, batch.inputs);
  const auto classes = predicted_classes(logits);
  Score score{loss_of(ctx, logits, batch.targets).f32()[0], 0};
  for (size_t i = 0; i < classes.size(); ++i) score.correct += classes[i] == batch.targets[i];
  return score;
}

DataOptions labelled_data(const ClassifierConfig& config, DataOptions options) {
  options.labels = true;
  options.classes = config.classes;
  options.label_names = config.labels;
  return options;
}

PaddingOptions padding_of(const Json& config, const ClassifierConfig& classifier) {
  PaddingOptions options;
  options.max_length = classifier.max_positions;
  options.pad_id = classifier.pad;
  if (json_value<std::string>(config, "padding_side", "right", "config.json") == "left")
    options.padding_side = Side::left;
  return options;
}

}  // namespace octet::train
