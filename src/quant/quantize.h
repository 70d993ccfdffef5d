#pragma once
#include <string>

#include "base/threads.h"
#include "quant/options.h"
#include "tensor/qtensor.h"

namespace octet {

/// The scales of ranges (F32, any shape) of numbers of dtype `weight`. Throws Error "`what` holds NaN …" if a range is
/// not finite.
Tensor scales_of(const Tensor& ranges, const Quantization& q, DType weight, const QuantizeOptions& options,
                 const std::string& what);
/// How codes of a format are stored.
DType code_dtype(Format format);

/// w [N,K] (F32, BF16 or F16) rounded to the nearest codes, with ranges from the largest magnitudes. The same codes for
/// any number of threads. Throws Error "`what` holds NaN …" if a number is not finite.
QTensor quantize(const Tensor& w, const Quantization& q, const QuantizeOptions& options, Threads& threads,
                 const std::string& what = "the matrix");

}  // namespace octet
