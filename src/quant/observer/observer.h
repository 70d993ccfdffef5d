#pragma once
#include <span>
#include <string_view>

#include "tensor/scheme.h"
#include "tensor/tensor.h"

namespace octet {

/// Proposes how far the numbers of w [N,K] (F32, BF16, F16) reach: F32 of scale_shape(q, N, K), the magnitude that each
/// set of numbers that share a scale is to cover. NaN or infinity where a number is not finite.
using RangeFunction = Tensor(const Tensor& w, const Quantization& q);

struct RangeObserver {
  std::string_view name;
  RangeFunction* ranges;
  std::string_view help;
};

/// Every observer; the first is the default.
std::span<const RangeObserver> range_observers();

/// The largest magnitude: nothing is clipped.
RangeFunction minmax_ranges;

}  // namespace octet
