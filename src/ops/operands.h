#pragma once
#include "kernels/operand/operand.h"
#include "ops/tape.h"

namespace octet {

/// Operands of the product that is under way; their memory is used again by the next.
struct Tape::Operands {
  kernels::PreparedInput::Layout left;
  kernels::PackedWeight::Layout right;
  /// xᵀ as weight gradients multiply with it: layers that share an input follow one another.
  kernels::PackedWeight::Layout input;
  uint64_t input_of = 0;  // whose it is, and for what
  kernels::OperandFormat input_format;
  kernels::Element input_met = kernels::Element::f32;
  uint64_t inputs = 0;  // numbered so far
};

}  // namespace octet
