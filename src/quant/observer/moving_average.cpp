#include "kernels/convert/convert.h"
#include "quant/observer/observer.h"

namespace octet {

/// A weight is seen a row at a time, where several share a scale.
float moving_average_of_set(const NumberSet& set, const Quantization&, const RangeOptions&) {
  float average = 0;
  for (int64_t row = 0; row < set.rows; ++row) {
    const float amax = kernels::amax(set.x + row * set.stride, set.columns);
    average = row == 0 ? amax : 0.99f * average + 0.01f * amax;
  }
  return average;
}

SeenRange moving_average_of_stream(const InputStream& stream, const Quantization&, const RangeOptions&) {
  return stream.average();
}

}  // namespace octet
