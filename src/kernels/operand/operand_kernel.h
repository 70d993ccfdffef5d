#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstddef>
#include <cstdint>

namespace octet::kernels {

/// What a number becomes on its way into a product.
enum class Element : uint8_t { f32, bf16, e4m3, e5m2, int8 };

/// n numbers x · multiplier, rounded to `element`: half to even where `random` is nullptr, else stochastically, up in
/// magnitude where random[i] / 2^32 < the part that is cut off. Beyond the largest they become the largest; INT8 stays
/// within ±127; NaN: INT8 0, else NaN. out: INT8 codes; else values, as F32 if `wide`, as BF16 if not. BF16 and F32
/// have no multiplier (1), and their NaN and infinity stay.
struct RoundLine {
  const float* x = nullptr;
  int64_t n = 0;
  float multiplier = 1;
  Element element = Element::f32;
  bool wide = false;
  const uint32_t* random = nullptr;  // [n]
  void* out = nullptr;
};

/// What an instruction set provides of this family.
struct OperandKernel {
  void (*round)(const RoundLine& line);
  /// The largest |x|; NaN where there is one.
  float (*largest)(const float* x, int64_t n);
  /// to [columns,rows] = from [rows,columns]ᵀ, words of 4 bytes, rows `stride` words apart.
  void (*transpose)(const uint32_t* from, int64_t from_stride, int64_t rows, int64_t columns, uint32_t* to,
                    int64_t to_stride);
  /// random[4i … 4i+3] = philox of block first + i of a stream, i < blocks (numeric/random.h).
  void (*random)(uint32_t key_low, uint32_t key_high, uint32_t step, uint32_t tensor, uint64_t first, int64_t blocks,
                 uint32_t* random);
};

extern const OperandKernel kOperandReference, kOperandAvx2, kOperandAvx512, kOperandNeon;

}  // namespace octet::kernels
