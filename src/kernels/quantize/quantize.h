#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstddef>
#include <cstdint>

namespace octet::kernels {

enum class RowFormat : uint8_t { f32, bf16, int8, e4m3, e5m2 };

/// One row of activations on its way into a product (shared rules: docs of numeric/ and formats):
///   INT8: s = amax / 127.5, q = round(clamp(x / s + zero_point, -128, 127))     out: int8
///   FP8:  s = amax / largest, or a power of two (mx_scale), q = saturating round(x / s)   out: q's value as BF16 or
///   F32 BF16: rounded half to even, out as BF16 or F32; F32: copied; no scales
/// Divisions are divisions. A scale that would be 0 is 2^-23 instead. NaN: INT8 0, else NaN.
struct QuantizeRow {
  const float* x = nullptr;
  int64_t k = 0;
  RowFormat format = RowFormat::f32;
  int64_t group = 0;        // columns that share a scale, 1 … k
  bool e8m0 = false;        // FP8 only
  float scale = 0;          // > 0: given, not derived; scales are not written then
  int zero_point = 0;       // INT8 only
  bool wide = false;        // BF16 and FP8 values are written as F32
  void* out = nullptr;      // [k]
  float* scales = nullptr;  // [ceil(k / group)]
};
using QuantizeFunction = void(const QuantizeRow&);
QuantizeFunction quantize_row__avx512, quantize_row__avx2, quantize_row__neon, quantize_row__reference;

/// The sum of k codes, k at most 2^24.
using SumFunction = int32_t(const int8_t* codes, int64_t k);
SumFunction sum_codes__avx512, sum_codes__avx2, sum_codes__neon, sum_codes__reference;

/// The best this machine can run; any alignment.
void quantize_row(const QuantizeRow& row);
int32_t sum_codes(const int8_t* codes, int64_t k);

}  // namespace octet::kernels
