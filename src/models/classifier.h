#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "models/trainable.h"

namespace octet {

/// The tokens of one text.
using Tokens = std::span<const int32_t>;

/// What every text classifier says of itself in config.json.
struct ClassifierConfig {
  int64_t vocabulary = 0, max_positions = 0, classes = 2, layers = 1;
  std::vector<std::string> labels;  // a class each, from id2label; empty: they have no names
  int32_t pad = 0;                  // pad_token_id
};

/// A model that sorts texts into classes. Its numbers are parameters of a tape.
class Classifier {
 public:
  virtual ~Classifier() = default;
  /// Logits [B,classes] of texts, or [B,1] where one sigmoid tells two classes apart. In F32 a text's do not depend on
  /// the others. Throws Error for a text without tokens or longer than the model.
  virtual Tensor logits(Context& ctx, std::span<const Tokens> texts) const = 0;

  ClassifierConfig config;
  Trainable trainable;
};

/// A kind of classifier: a row of classifier.cpp.
struct ClassifierKind {
  std::string_view model_type, architecture;  // of config.json
  std::string_view what;                      // in a few words
  bool encoder;                               // it reads the special tokens that a tokenizer puts around a text
  std::unique_ptr<Classifier> (*make)(const Json& config, const std::string& where, TrainableMaker& maker);
  int64_t (*activations)(const Json& config, const std::string& where, int64_t tokens);  // numbers kept for a way back
};
std::span<const ClassifierKind> classifier_kinds();
/// nullptr: config.json is not one of a classifier.
const ClassifierKind* classifier_kind_of(const Json& config);

/// Throws Error naming `where`, the key and what is wrong with it.
ClassifierConfig read_classifier_config(const Json& config, const std::string& where);
std::unique_ptr<Classifier> make_classifier(const Json& config, const std::string& where, Tape& tape,
                                            const TrainableParts& parts);
/// Its tensors with their shapes, without making any.
std::vector<std::pair<std::string, Shape>> classifier_shapes(const Json& config, const std::string& where);

/// The module of the last linear layer.
inline constexpr const char* kClassifierHead = "classifier";

/// Of each text, by its logits: of two classes that one logit tells apart the second where it is above 0, else the
/// largest.
std::vector<int32_t> predicted_classes(const Tensor& logits);

}  // namespace octet
