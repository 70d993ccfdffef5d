#include "tensor/qtensor.h"

namespace octet {
namespace {

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Rows and columns that share one scale.
Shape extent_of(const Quantization& q, int64_t n, int64_t k) {
  switch (q.granularity) {
    case Granularity::tensor:
      return {n, k};
    case Granularity::channel:
      return {1, k};
    case Granularity::token:
      return {1, k};
    case Granularity::group:
      return {1, q.group};
    case Granularity::block:
      return {q.block_rows, q.group};
  }
  return {n, k};
}

// The codes as numbers, before they are scaled.
Tensor unscaled(const QTensor& q) {
  const Format format = q.weights.format;
  if (format != Format::LOG8 && format != Format::CODEBOOK) return to_f32(q.codes);
  const FormatInfo& info = format_info(format);
  Tensor result(q.codes.shape());
  const auto* codes = q.codes.data<uint8_t>();
  for (int64_t i = 0; i < result.elements(); ++i) {
    result.f32()[i] = format == Format::CODEBOOK ? q.table.f32()[codes[i]] : info.decode(codes[i]);
  }
  return result;
}

}  // namespace

Shape scale_shape(const Quantization& q, int64_t n, int64_t k) {
  const Shape extent = extent_of(q, n, k);
  return {ceil_div(n, extent[0]), ceil_div(k, extent[1])};
}

Tensor dequantize(const QTensor& q) {
  const int64_t n = q.rows(), k = q.columns();
  const Shape extent = extent_of(q.weights, n, k);
  const int64_t scale_columns = ceil_div(k, extent[1]);
  Tensor result = unscaled(q);
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t column = 0; column < k; ++column) {
      const int64_t at = row / extent[0] * scale_columns + column / extent[1];
      float& value = result.f32()[row * k + column];
      if (!q.zero_points.empty()) value -= static_cast<float>(q.zero_points.data<int8_t>()[at]);
      value *= q.scales.f32()[at];
    }
  }
  return result;
}

}  // namespace octet
