#include "kernels/convert/convert.h"
#include "quant/observer/observer.h"
#include "quant/scale.h"
#include "tensor/qtensor.h"

namespace octet {
namespace {

// max, but a NaN stays.
float larger(float a, float b) {
  return a >= b || a != a ? a : b;
}

}  // namespace

Tensor minmax_ranges(const Tensor& w, const Quantization& q) {
  const Format format = float_format(w.dtype());
  const int64_t n = w.size(0), k = w.size(1), width = bytes_of(w.dtype());
  const Extent extent = extent_of(q, n, k);
  Tensor ranges = Tensor::zeros(scale_shape(q, n, k));
  const int64_t groups = ranges.size(1);
  for (int64_t row = 0; row < n; ++row) {
    float* of_row = ranges.f32() + row / extent.rows * groups;
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * extent.columns, count = std::min(extent.columns, k - begin);
      of_row[g] = larger(of_row[g], kernels::amax(format, w.raw() + (row * k + begin) * width, count));
    }
  }
  return ranges;
}

float minmax_of_set(const NumberSet& set, const Quantization&, const RangeOptions&) {
  return set.amax;
}

SeenRange minmax_of_stream(const InputStream& stream, const Quantization&, const RangeOptions&) {
  return stream.range();
}

}  // namespace octet
