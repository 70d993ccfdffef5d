// The plain versions, in the words of numeric/: what every other row of the list equals bit for bit.
#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/quantize/quantize.h"
#include "numeric/formats.h"
#include "numeric/mx_scale.h"

namespace octet::kernels {
namespace {

/// compressed-tensors' stand-in for a scale of 0.
constexpr float kEpsilonScale = 0x1p-23f;

float largest_magnitude(const float* x, int64_t k) {
  uint32_t largest = 0;  // magnitudes compare as integers, and a NaN is the largest of all
  for (int64_t i = 0; i < k; ++i) largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFF);
  return std::bit_cast<float>(largest);
}

float derived_scale(const QuantizeRow& row, float amax) {
  if (row.format != RowFormat::int8 && row.e8m0) {
    return e8m0_to_float(row.format == RowFormat::e4m3 ? mx_scale<kE4m3>(amax) : mx_scale<kE5m2>(amax));
  }
  const float range = row.format == RowFormat::int8 ? 127.5f : row.format == RowFormat::e4m3 ? kE4m3Max : kE5m2Max;
  const float scale = amax / range;
  return scale == 0 ? kEpsilonScale : scale;
}

void put(const QuantizeRow& row, int64_t i, float value) {
  if (row.wide) {
    static_cast<float*>(row.out)[i] = value;
  } else {
    static_cast<uint16_t*>(row.out)[i] = float_to_bf16(value);
  }
}

void encode(const QuantizeRow& row, int64_t i, float scale) {
  const float x = row.x[i] / scale;
  switch (row.format) {
    case RowFormat::int8:
      static_cast<int8_t*>(row.out)[i] = float_to_int8(x + static_cast<float>(row.zero_point));
      break;
    case RowFormat::e4m3:
      put(row, i, e4m3_to_float(float_to_e4m3(x)));
      break;
    case RowFormat::e5m2:
      put(row, i, e5m2_to_float(float_to_e5m2(x)));
      break;
    default:
      break;
  }
}

}  // namespace

void quantize_row__reference(const QuantizeRow& row) {
  if (row.format == RowFormat::f32) {
    std::memcpy(row.out, row.x, static_cast<size_t>(row.k) * sizeof(float));
    return;
  }
  if (row.format == RowFormat::bf16) {
    for (int64_t i = 0; i < row.k; ++i) put(row, i, bf16_to_float(float_to_bf16(row.x[i])));
    return;
  }
  for (int64_t begin = 0, g = 0; begin < row.k; begin += row.group, ++g) {
    const int64_t end = std::min(row.k, begin + row.group);
    float scale = row.scale;
    if (!(scale > 0)) {
      scale = derived_scale(row, largest_magnitude(row.x + begin, end - begin));
      row.scales[g] = scale;
    }
    for (int64_t i = begin; i < end; ++i) encode(row, i, scale);
  }
}

int32_t sum_codes__reference(const int8_t* codes, int64_t k) {
  int32_t sum = 0;
  for (int64_t i = 0; i < k; ++i) sum += codes[i];
  return sum;
}

}  // namespace octet::kernels
