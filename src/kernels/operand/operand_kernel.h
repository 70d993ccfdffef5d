#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstddef>
#include <cstdint>

namespace octet::kernels {

/// What a number becomes on its way into a product.
enum class Element : uint8_t { f32, bf16, e4m3, e5m2, int8 };

/// How a scale follows from the largest magnitude a of what shares it. Codes are x · multiplier, rounded.
enum class ScaleRule : uint8_t {
  largest,       ///< largest / a, as TransformerEngine's current scaling; 1 where a is 0, infinite or NaN
  power_of_two,  ///< the same, rounded down to a power of two: TransformerEngine's block scaling
  mx             ///< 1 / 2^e, e by the rule RCEIL of MX blocks: TransformerEngine's MXFP8
};

/// Numbers of a row that share a multiplier come in multiples of so many, and columns are rounded so many at a time.
inline constexpr int kGroupUnit = 32, kRoundColumns = 32;

/// n numbers x · multiplier, rounded to `element`: half to even where `random` is nullptr, else stochastically, up in
/// magnitude where random[i] / 2^32 < the part that is cut off. Beyond the largest they become the largest; INT8 stays
/// within ±127; NaN: INT8 0, else NaN. out: INT8 codes; else values, as F32 if `wide`, as BF16 if not, those of FP8
/// multiplied with `inverses`, powers of two. BF16 and F32 have no multiplier, and their NaN and infinity stay.
struct RoundRow {
  const float* x = nullptr;
  int64_t n = 0;
  const float* multipliers = nullptr;  // [n / group, rounded up]
  const float* inverses = nullptr;     // the same
  int64_t group = 0;                   // a multiple of kGroupUnit; at least n: they share one
  Element element = Element::f32;
  bool wide = false;
  const uint32_t* random = nullptr;  // [n]
  void* out = nullptr;
};

/// Random numbers of columns: column i's in row 4j … 4j+3 are block first + i · stride + j of a stream
/// (numeric/random.h).
struct RandomColumns {
  uint32_t key_low, key_high, step, tensor;
  uint64_t first, stride;
};

/// The same of kRoundColumns columns of x [rows,kRoundColumns], as words of 4 bytes: of 1 F32, 2 BF16 or 4 INT8 that
/// stand below each other, the first in the low bits, 0 beyond the last row.
struct RoundColumns {
  const float* x = nullptr;
  int64_t stride = 0, rows = 0;
  const float* multipliers = nullptr;  // [kRoundColumns]
  const float* inverses = nullptr;     // the same
  Element element = Element::f32;
  bool wide = false;
  const RandomColumns* random = nullptr;
  uint32_t flip = 0;          // exclusive-or with every word
  uint32_t* words = nullptr;  // [rows / numbers of a word, rounded up][kRoundColumns]
};

/// What an instruction set provides of this family.
struct OperandKernel {
  void (*round)(const RoundRow& row);
  void (*round_columns)(const RoundColumns& columns);
  /// The largest |x|; NaN where there is one.
  float (*largest)(const float* x, int64_t n);
  /// The same of each `group` numbers, a multiple of kGroupUnit: largest [n / group, rounded up].
  void (*largest_of_groups)(const float* x, int64_t n, int64_t group, float* largest);
  /// The same of each column of x [rows,kRoundColumns] and what `largest` held before.
  void (*largest_of_columns)(const float* x, int64_t stride, int64_t rows, float* largest);
  /// multiplier_of() of n largest magnitudes of FP8 numbers.
  void (*multipliers)(Element element, ScaleRule rule, const float* largest, int64_t n, float* multipliers,
                      float* inverses);
  /// to [columns,rows] = from [rows,columns]ᵀ, words of 4 bytes, rows `stride` words apart.
  void (*transpose)(const uint32_t* from, int64_t from_stride, int64_t rows, int64_t columns, uint32_t* to,
                    int64_t to_stride);
  /// random[4i … 4i+3] = philox of block first + i of a stream, i < blocks (numeric/random.h).
  void (*random)(uint32_t key_low, uint32_t key_high, uint32_t step, uint32_t tensor, uint64_t first, int64_t blocks,
                 uint32_t* random);
};

extern const OperandKernel kOperandReference, kOperandAvx2, kOperandAvx512, kOperandNeon;

}  // namespace octet::kernels
