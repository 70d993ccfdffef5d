#pragma once
#include <memory>

#include "models/classifier.h"
#include "train/data.h"
#include "train/learner.h"

namespace octet::train {

/// A classifier that learns from labelled texts: binary cross-entropy where one sigmoid tells two classes apart, else
/// cross-entropy.
class TextClassifier : public Learner {
 public:
  explicit TextClassifier(std::unique_ptr<Classifier> classifier) : classifier_(std::move(classifier)) {}
  Trainable& model() override { return classifier_->trainable; }
  Tensor loss(Context& ctx, const Batch& batch) override;
  Score score(Context& ctx, const Batch& batch) override;

 private:
  std::unique_ptr<Classifier> classifier_;
};

/// How labelled documents for such a model are read: its classes, and their names if it has any.
DataOptions labelled_data(const ClassifierConfig& config, DataOptions options = {});
/// How they become its sequences: `truncate` where they are longer than the model.
PaddingOptions padding_of(const Json& config, const ClassifierConfig& classifier);

}  // namespace octet::train
