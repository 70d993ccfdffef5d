#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "models/decoder.h"
#include "ops/linear_recipe.h"

namespace octet {

/// Numbers that are trained, and their name in a checkpoint.
struct Parameter {
  std::string name;
  Tensor value;  // F32, with its place on the tape
};

/// All that is trained of a model.
struct Trainable {
  std::vector<Parameter> parameters;  // in the order of their places
  std::vector<Weight> linears;        // of the layers, and the head: they share what the model holds
};

struct TrainableParts {
  std::function<Tensor(const std::string& name, const Shape& shape)> values;  // F32 to start from
  std::function<LinearRecipe(const std::string& module)> recipe;              // of each linear, the head too
};

/// Hands a model its tensors, in the order of their places: as parameters of a tape, or their shapes only.
class TrainableMaker {
 public:
  TrainableMaker(Tape& tape, const TrainableParts& parts, Trainable& result)
      : tape_(&tape), parts_(&parts), result_(&result) {}
  explicit TrainableMaker(std::vector<std::pair<std::string, Shape>>& shapes) : shapes_(&shapes) {}

  Tensor tensor(const std::string& name, const Shape& shape);
  /// [n,k] and, with `bias`, [n]: MODULE.weight and MODULE.bias.
  Weight linear(const std::string& module, int64_t n, int64_t k, bool bias);
  /// The same by other names; `bias` empty: none.
  Weight linear(const std::string& module, int64_t n, int64_t k, const std::string& weight, const std::string& bias);
  /// A linear of numbers that stand elsewhere in the model.
  Weight tied_linear(const std::string& module, const Tensor& value);

 private:
  Tape* tape_ = nullptr;
  const TrainableParts* parts_ = nullptr;
  Trainable* result_ = nullptr;
  std::vector<std::pair<std::string, Shape>>* shapes_ = nullptr;
};

struct TrainableDecoder : Trainable {
  Decoder decoder;
};

/// A decoder whose numbers are parameters of the tape.
TrainableDecoder make_trainable(const DecoderConfig& config, Tape& tape, const TrainableParts& parts);

/// Every tensor of make_trainable, with its shape, without making any.
std::vector<std::pair<std::string, Shape>> trainable_shapes(const DecoderConfig& config);

}  // namespace octet
