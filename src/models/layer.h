#pragma once
#include <functional>
#include <string>

#include "models/decoder.h"

namespace octet {

/// Where the parts of a model come from: a checkpoint, or parameters to be trained. Names are the checkpoint's.
struct Parts {
  std::function<Weight(const std::string& module, int64_t n, int64_t k, bool bias)> linear;
  std::function<Tensor(const std::string& name, int64_t size)> vector;  // F32 [size]
};

/// Layer i of a decoder.
DecoderLayer make_layer(const DecoderConfig& config, int64_t i, const Parts& parts);

}  // namespace octet
