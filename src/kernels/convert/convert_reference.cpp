#include <cmath>
#include <cstring>

#include "kernels/convert/convert_kernel.h"
#include "numeric/formats.h"

namespace octet::kernels {
namespace {

template <typename T>
T load(const void* x, int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(x) + i * static_cast<int64_t>(sizeof value), sizeof value);
  return value;
}

template <Source kSource>
float element(const void* x, int64_t i) {
  if constexpr (kSource == Source::f32) return load<float>(x, i);
  if constexpr (kSource == Source::bf16) return bf16_to_float(load<uint16_t>(x, i));
  if constexpr (kSource == Source::fp16) return fp16_to_float(load<uint16_t>(x, i));
}

template <typename Code, auto decode>
void all_to_float(const void* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = decode(load<Code>(x, i));
}

void to_bf16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = float_to_bf16(load<float>(x, i));
}

void to_fp16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = float_to_fp16(load<float>(x, i));
}

// Magnitudes compare as integers, NaN above infinity.
template <Source kSource>
float amax(const void* x, int64_t n) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(element<kSource>(x, i)) & 0x7FFFFFFF;
    largest = magnitude > largest ? magnitude : largest;
  }
  return std::bit_cast<float>(largest);
}

template <Source kSource>
MinMaxResult min_max(const void* x, int64_t n) {
  if (n == 0) return {0, 0, true};
  MinMaxResult result{INFINITY, -INFINITY, true};
  for (int64_t i = 0; i < n; ++i) {
    const float value = element<kSource>(x, i);
    result.min = value < result.min ? value : result.min;
    result.max = value > result.max ? value : result.max;
    result.finite &= std::isfinite(value);
  }
  return result;
}

template <Source kSource, auto encode>
int64_t to_fp8(const void* x, int64_t n, float scale, uint8_t* out, float largest) {
  int64_t clamped = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float quotient = element<kSource>(x, i) / scale;
    clamped += std::fabs(quotient) > largest;
    out[i] = encode(quotient, Rounding::half_even, 0);
  }
  return clamped;
}

template <Source kSource>
int64_t to_e4m3(const void* x, int64_t n, float scale, uint8_t* out) {
  return to_fp8<kSource, float_to_e4m3>(x, n, scale, out, kE4m3Max);
}

template <Source kSource>
int64_t to_e5m2(const void* x, int64_t n, float scale, uint8_t* out) {
  return to_fp8<kSource, float_to_e5m2>(x, n, scale, out, kE5m2Max);
}

template <Source kSource>
int64_t to_int8(const void* x, int64_t n, float scale, int zero_point, int lowest, int8_t* out) {
  int64_t clamped = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float value = element<kSource>(x, i) / scale + static_cast<float>(zero_point);
    clamped += value > kInt8Max || value < static_cast<float>(lowest);
    out[i] = float_to_int8(value, Rounding::half_even, 0, lowest == -128 ? Int8Range::full : Int8Range::narrow);
  }
  return clamped;
}

#define OCTET_FOR_SOURCES(function) \
  { function<Source::f32>, function<Source::bf16>, function<Source::fp16> }

}  // namespace

const ConvertKernel kConvertReference = {
    all_to_float<uint16_t, bf16_to_float>,
    all_to_float<uint16_t, fp16_to_float>,
    all_to_float<uint8_t, e4m3_to_float>,
    all_to_float<uint8_t, e5m2_to_float>,
    all_to_float<int8_t, int8_to_float>,
    to_bf16,
    to_fp16,
    OCTET_FOR_SOURCES(amax),
    OCTET_FOR_SOURCES(min_max),
    OCTET_FOR_SOURCES(to_e4m3),
    OCTET_FOR_SOURCES(to_e5m2),
    OCTET_FOR_SOURCES(to_int8),
};

}  // namespace octet::kernels
