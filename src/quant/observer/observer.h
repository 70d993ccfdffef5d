#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "quant/observer/stream.h"
#include "quant/options.h"
#include "tensor/scheme.h"
#include "tensor/tensor.h"

namespace octet {

/// What a range is chosen by, beside the numbers.
struct RangeOptions {
  QuantizeOptions quantize;
  std::span<const float> importance;  // [K] of each column's squared error; empty: all count alike
  std::optional<DType> dtype;         // that scales are stored for; none: the tensor's own
  double percentile = 99.99;          // of magnitudes that the range covers, for the observer of that name
};

/// The numbers of a matrix that share one scale, widened.
struct NumberSet {
  const float* x;  // [rows, columns], rows `stride` apart
  int64_t rows, columns, stride;
  const float* importance;  // [columns] or nullptr
  DType dtype;              // of the matrix
  float amax;
};

/// Proposes how far the codes reach: of the numbers of a weight that share a scale, the magnitude to cover; of an
/// input that was watched on a text, its ends.
struct RangeObserver {
  std::string_view name;
  float (*of_set)(const NumberSet& set, const Quantization& q, const RangeOptions& options);
  SeenRange (*of_stream)(const InputStream& stream, const Quantization& q, const RangeOptions& options);
  std::string_view help;
};

/// Every observer; the first is the default.
std::span<const RangeObserver> range_observers();
/// Throws UsageError listing the names.
const RangeObserver& observer_named(std::string_view name);

/// The ranges of w [N,K] (F32, BF16, F16): F32 of scale_shape(q, N, K). NaN or infinity where a number is not finite.
/// Rows are handed out to the threads; the result does not depend on how many.
Tensor observe_ranges(const Tensor& w, const Quantization& q, const RangeObserver& observer,
                      const RangeOptions& options, Threads& threads);

/// The largest magnitude: nothing is clipped. Faster than observe_ranges.
Tensor minmax_ranges(const Tensor& w, const Quantization& q);

float minmax_of_set(const NumberSet&, const Quantization&, const RangeOptions&);
float percentile_of_set(const NumberSet&, const Quantization&, const RangeOptions&);
float mse_of_set(const NumberSet&, const Quantization&, const RangeOptions&);
float importance_mse_of_set(const NumberSet&, const Quantization&, const RangeOptions&);
float kl_of_set(const NumberSet&, const Quantization&, const RangeOptions&);
SeenRange minmax_of_stream(const InputStream&, const Quantization&, const RangeOptions&);
SeenRange moving_average_of_stream(const InputStream&, const Quantization&, const RangeOptions&);
SeenRange percentile_of_stream(const InputStream&, const Quantization&, const RangeOptions&);
SeenRange mse_of_stream(const InputStream&, const Quantization&, const RangeOptions&);
SeenRange kl_of_stream(const InputStream&, const Quantization&, const RangeOptions&);

}  // namespace octet
