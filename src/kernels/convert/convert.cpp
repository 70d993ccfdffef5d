#include "kernels/convert/convert.h"

#include <cstring>

#include "base/error.h"
#include "kernels/convert/convert_list.h"

namespace octet::kernels {
namespace {

const ConvertKernel& kernel() {
  static const ConvertKernel& chosen = *choose(convert_kernels()).run;
  return chosen;
}

int source_of(Format from) {
  switch (from) {
    case Format::F32:
      return static_cast<int>(Source::f32);
    case Format::BF16:
      return static_cast<int>(Source::bf16);
    case Format::FP16:
      return static_cast<int>(Source::fp16);
    default:
      fail("values to quantize are in {}; only F32, BF16 and FP16 can be, decode them first", format_info(from).name);
  }
}

}  // namespace

std::span<const Kernel<const ConvertKernel>> convert_kernels() {
  static constexpr Kernel<const ConvertKernel> kList[] = {
#if defined(__x86_64__)
    {"avx512", kAvx512, &kConvertAvx512},
    {"avx2", kAvx2, &kConvertAvx2},
#elif defined(__aarch64__)
    {"neon", kNeon, &kConvertNeon},
#endif
    {"reference", 0, &kConvertReference},
  };
  return kList;
}

void to_float(Format from, const void* x, int64_t n, float* out) {
  switch (from) {
    case Format::F32:
      if (n > 0) std::memcpy(out, x, static_cast<size_t>(n) * sizeof(float));
      return;
    case Format::BF16:
      return kernel().bf16_to_float(x, n, out);
    case Format::FP16:
      return kernel().fp16_to_float(x, n, out);
    case Format::E4M3:
      return kernel().e4m3_to_float(x, n, out);
    case Format::E5M2:
      return kernel().e5m2_to_float(x, n, out);
    case Format::INT8:
      return kernel().int8_to_float(x, n, out);
    default:
      fail("{} is a format of scales; its codes are not decoded in bulk", format_info(from).name);
  }
}

void to_bf16(const float* x, int64_t n, uint16_t* out) {
  kernel().to_bf16(x, n, out);
}
void to_fp16(const float* x, int64_t n, uint16_t* out) {
  kernel().to_fp16(x, n, out);
}

float amax(Format from, const void* x, int64_t n) {
  return kernel().amax[source_of(from)](x, n);
}

MinMax min_max(Format from, const void* x, int64_t n) {
  const MinMaxResult result = kernel().min_max[source_of(from)](x, n);
  return {result.min, result.max, result.finite};
}

int64_t quantize_to_e4m3(Format from, const void* x, int64_t n, float scale, uint8_t* out) {
  return kernel().to_e4m3[source_of(from)](x, n, scale, out);
}

int64_t quantize_to_e5m2(Format from, const void* x, int64_t n, float scale, uint8_t* out) {
  return kernel().to_e5m2[source_of(from)](x, n, scale, out);
}

namespace {

// The rounding modes few ask for, a piece at a time.
int64_t quantize_slowly(Format from, const void* x, int64_t n, float scale, int zero_point, Rounding rounding,
                        int8_t* out, Int8Range range) {
  constexpr int64_t kPiece = 256;
  const int64_t size = from == Format::F32 ? 4 : 2;
  float values[kPiece];
  int64_t clamped = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const int64_t count = std::min(kPiece, n - begin);
    to_float(from, static_cast<const char*>(x) + begin * size, count, values);
    for (int64_t i = 0; i < count; ++i) {
      const float value = values[i] / scale + static_cast<float>(zero_point);
      clamped += value > kInt8Max || value < static_cast<float>(int8_lowest(range));
      out[begin + i] = float_to_int8(value, rounding, 0, range);
    }
  }
  return clamped;
}

}  // namespace

int64_t quantize_to_int8(Format from, const void* x, int64_t n, float scale, int zero_point, Rounding rounding,
                         int8_t* out, Int8Range range) {
  const int source = source_of(from);
  if (rounding == Rounding::stochastic)
    fail("stochastic rounding needs random numbers, which a bulk conversion has not");
  if (rounding != Rounding::half_even) return quantize_slowly(from, x, n, scale, zero_point, rounding, out, range);
  return kernel().to_int8[source](x, n, scale, zero_point, int8_lowest(range), out);
}

std::vector<FamilyChoice> explain_convert() {
  return {explain("convert", convert_kernels())};
}

}  // namespace octet::kernels
