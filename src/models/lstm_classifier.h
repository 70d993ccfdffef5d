#pragma once
#include "models/classifier.h"

namespace octet {

/// The classic text classifier: embedding, LSTM, dense layer with an activation, and one sigmoid for two classes or a
/// softmax for more. config.json: embedding_size, hidden_size, dense_size, hidden_act (gelu, relu, tanh, …), pooling
/// (last: the state behind the last token; mean: of all states). Tensors are named as PyTorch names those of
/// Embedding, LSTM and Linear.
std::unique_ptr<Classifier> make_lstm_classifier(const Json& config, const std::string& where, TrainableMaker& maker);
int64_t lstm_classifier_activations(const Json& config, const std::string& where, int64_t tokens);

/// Throws Error for a text without tokens or longer than the model.
void check_texts(const ClassifierConfig& config, std::span<const Tokens> texts);

}  // namespace octet
