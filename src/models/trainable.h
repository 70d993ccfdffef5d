#pragma once
#include <functional>
#include <string>
#include <vector>

#include "models/decoder.h"
#include "ops/linear_recipe.h"

namespace octet {

/// Numbers that are trained, and their name in a checkpoint.
struct Parameter {
  std::string name;
  Tensor value;  // F32, with its place on the tape
};

struct Trainable {
  Decoder decoder;
  std::vector<Parameter> parameters;  // in the order of their places
  std::vector<Weight> linears;        // of the decoder layers, and the head: they share what the decoder holds
};

struct TrainableParts {
  std::function<Tensor(const std::string& name, const Shape& shape)> values;  // F32 to start from
  std::function<LinearRecipe(const std::string& module)> recipe;              // of each linear, lm_head too
};

/// A decoder whose numbers are parameters of the tape.
Trainable make_trainable(const DecoderConfig& config, Tape& tape, const TrainableParts& parts);

/// Every tensor of make_trainable, with its shape, without making any.
std::vector<std::pair<std::string, Shape>> trainable_shapes(const DecoderConfig& config);

}  // namespace octet
