#pragma once
#include <cstdint>

// Plain declarations only: files compiled for one instruction set include this.
namespace octet::kernels {

/// Formats a kernel reads x from.
enum class Source : uint8_t { f32, bf16, fp16, kCount };
inline constexpr int kSources = static_cast<int>(Source::kCount);

struct MinMaxResult {
  float min, max;
  bool finite;
};

/// What an instruction set provides of this family; convert.h says what each computes, half-even where it rounds. Any
/// n >= 0, any alignment. Arrays are indexed by Source.
struct ConvertKernel {
  using ToFloat = void(const void* x, int64_t n, float* out);
  using Amax = float(const void* x, int64_t n);
  using MinMax = MinMaxResult(const void* x, int64_t n);
  using ToFp8 = int64_t(const void* x, int64_t n, float scale, uint8_t* out);
  using ToInt8 = int64_t(const void* x, int64_t n, float scale, int zero_point, int lowest, int8_t* out);

  ToFloat *bf16_to_float, *fp16_to_float, *e4m3_to_float, *e5m2_to_float, *int8_to_float;
  void (*to_bf16)(const float* x, int64_t n, uint16_t* out);
  void (*to_fp16)(const float* x, int64_t n, uint16_t* out);
  Amax* amax[kSources];
  MinMax* min_max[kSources];
  ToFp8* to_e4m3[kSources];
  ToFp8* to_e5m2[kSources];
  ToInt8* to_int8[kSources];
};

extern const ConvertKernel kConvertReference, kConvertAvx2, kConvertAvx512, kConvertNeon;

}  // namespace octet::kernels
