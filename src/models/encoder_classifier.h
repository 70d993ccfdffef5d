#pragma once
#include "models/classifier.h"

namespace octet {

/// Transformers' BertForSequenceClassification (Devlin et al. 2019, arXiv:1810.04805): token, position and type
/// embeddings, layers with norms behind, attention that sees everything, a pooler with tanh over the first token.
/// Every token is of type 0. There is no dropout.
std::unique_ptr<Classifier> make_encoder_classifier(const Json& config, const std::string& where,
                                                    TrainableMaker& maker);
int64_t encoder_classifier_activations(const Json& config, const std::string& where, int64_t tokens);

}  // namespace octet
