#include "quant/scale.h"

#include "base/error.h"
#include "numeric/formats.h"
#include "numeric/mx_scale.h"

namespace octet {
namespace {

float rounded_to(float x, DType dtype) {
  if (dtype == DType::BF16) return bf16_to_float(float_to_bf16(x));
  if (dtype == DType::F16) return fp16_to_float(float_to_fp16(x));
  return x;
}

float epsilon_of(DType dtype) {
  if (dtype == DType::BF16) return 0x1p-7f;
  if (dtype == DType::F16) return 0x1p-10f;
  return 0x1p-23f;
}

// Half of the range of codes: the quotient that amax is mapped to.
float half_range(const Quantization& q, Int8Range range) {
  if (q.format == Format::INT8) return range == Int8Range::narrow ? 127.0f : 127.5f;
  return format_info(q.format).max_finite;
}

float mx_scale_of(float amax, const Quantization& q, Match match) {
  const MxRule rule = match == Match::torchao ? MxRule::floor : MxRule::compressed_tensors;
  if (q.format == Format::E4M3) return e8m0_to_float(mx_scale<kE4m3>(amax, rule));
  if (q.format == Format::E5M2) return e8m0_to_float(mx_scale<kE5m2>(amax, rule));
  fail("{} has no power-of-two scales", format_info(q.format).name);
}

}  // namespace

Extent extent_of(const Quantization& q, int64_t n, int64_t k) {
  switch (q.granularity) {
    case Granularity::tensor:
      return {n, k};
    case Granularity::group:
      return {1, q.group};
    case Granularity::block:
      return {q.block_rows, q.group};
    default:
      return {1, k};
  }
}

float scale_of(float amax, const Quantization& q, DType weight, const QuantizeOptions& options) {
  if (q.scale_format == Format::E8M0) return mx_scale_of(amax, q, options.match);
  const float scale = rounded_to(amax / half_range(q, options.int8_range), weight);
  if (options.match == Match::torchao && q.format == Format::INT8) return std::max(scale, epsilon_of(DType::F32));
  return scale == 0 ? epsilon_of(weight) : scale;
}

StaticScale static_scale(float min, float max, const Quantization& q, DType dtype) {
  min = std::min(min, 0.0f);
  max = std::max(max, 0.0f);
  if (q.symmetric) return {scale_of(std::max(-min, max), q, dtype, {}), 0};
  const float scale = rounded_to((max - min) / 255.0f, dtype);
  if (scale == 0) return {epsilon_of(dtype), -128};
  return {scale, float_to_int8(-128.0f - min / scale)};
}

}  // namespace octet
