#pragma once
#include "compress/plan.h"

namespace octet {

/// Throws Error naming directory and tensor unless the checkpoint holds the numbers `name`, not quantized, in the
/// shape that config.json asks for.
void require_numbers(const Checkpoint& checkpoint, const std::string& name, const Shape& shape);

/// The same for everything that a decoder needs beside its linear modules' weights: embedding, norms, biases and, where
/// it is neither tied nor quantized, the head. plan.modules are filled.
void require_tensors_beside_modules(const Checkpoint& checkpoint, const Plan& plan);

}  // namespace octet
