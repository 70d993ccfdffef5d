#pragma once
#include <cstdint>
#include <vector>

#include "kernels/kernel.h"
#include "numeric/formats.h"

namespace octet::kernels {

// Bulk versions of numeric/: the same bits, n elements at a time, any alignment. `from` is the format of what x points
// at: F32, BF16 or FP16 (in to_float also E4M3, E5M2 and INT8); Error for another.

/// Exact.
void to_float(Format from, const void* x, int64_t n, float* out);

/// float_to_bf16 and float_to_fp16, half-even, overflow to infinity.
void to_bf16(const float* x, int64_t n, uint16_t* out);
void to_fp16(const float* x, int64_t n, uint16_t* out);

/// The largest |x|: NaN where there is a NaN, else infinity where there is one, so std::isfinite tells whether all are
/// finite. 0 for n = 0.
float amax(Format from, const void* x, int64_t n);
inline float amax(const float* x, int64_t n) {
  return amax(Format::F32, x, n);
}

/// The smallest and the largest x, both 0 for n = 0. Not finite: there is a NaN or an infinity, and the bounds are
/// those of the rest of x or an infinity.
struct MinMax {
  float min, max;
  bool finite;
};
MinMax min_max(Format from, const void* x, int64_t n);
inline MinMax min_max(const float* x, int64_t n) {
  return min_max(Format::F32, x, n);
}

/// code = encode(clamp(fl32(x / scale))): a true division, then float_to_e4m3 or float_to_e5m2, half-even. Returns how
/// many quotients lay outside ±448 or ±57344 and were clamped (NaN not counted).
int64_t quantize_to_e4m3(Format from, const void* x, int64_t n, float scale, uint8_t* out);
int64_t quantize_to_e5m2(Format from, const void* x, int64_t n, float scale, uint8_t* out);
inline int64_t quantize_to_e4m3(const float* x, int64_t n, float scale, uint8_t* out) {
  return quantize_to_e4m3(Format::F32, x, n, scale, out);
}
inline int64_t quantize_to_e5m2(const float* x, int64_t n, float scale, uint8_t* out) {
  return quantize_to_e5m2(Format::F32, x, n, scale, out);
}

/// code = float_to_int8(fl32(fl32(x / scale) + zero_point)), as compressed-tensors has it. Returns how many lay outside
/// the range and were clamped (NaN, which becomes 0, is not counted). Error for Rounding::stochastic, which needs a
/// RandomStream: see numeric/.
int64_t quantize_to_int8(Format from, const void* x, int64_t n, float scale, int zero_point, Rounding rounding,
                         int8_t* out, Int8Range range = Int8Range::full);
inline int64_t quantize_to_int8(const float* x, int64_t n, float scale, int zero_point, Rounding rounding, int8_t* out,
                                Int8Range range = Int8Range::full) {
  return quantize_to_int8(Format::F32, x, n, scale, zero_point, rounding, out, range);
}

/// What `octet doctor` prints.
std::vector<FamilyChoice> explain_convert();

}  // namespace octet::kernels
