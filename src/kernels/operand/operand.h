#pragma once
#include <optional>
#include <vector>

#include "kernels/gemm/layout.h"
#include "kernels/operand/operand_kernel.h"
#include "numeric/random.h"

namespace octet::kernels {

/// Numbers that share a scale. A line is a row of an operand: what is summed over runs along it.
enum class Sharing : uint8_t { none, tensor, line, group, block };

/// How an F32 matrix becomes one side of a product. Where groups and blocks share scales, these are powers of two, and
/// the side holds code · scale, which is exact in BF16 (but numbers below 2^-126, which count as 0 there): sums then
/// run through the groups as if there were none.
struct OperandFormat {
  Element element = Element::f32;
  Sharing sharing = Sharing::none;
  ScaleRule rule = ScaleRule::largest;
  int64_t group = 0;                   // numbers along a line that share a scale, for group and block: see kGroupUnit
  int64_t lines = 1;                   // lines that share one, for block
  float multiplier = 1;                // for tensor
  std::optional<RandomStream> random;  // stochastic rounding; element: line · depth rounded up to 4, plus the place
  bool operator==(const OperandFormat& other) const;
};

/// The multiplier for numbers whose largest magnitude is `largest`, and what codes are multiplied with afterwards.
struct Multiplier {
  float multiplier, inverse;
};
Multiplier multiplier_of(Element element, ScaleRule rule, float largest);
/// 448, 57344 or 127.
float largest_of(Element element);

/// x [rows,columns], row-major; its lines are its rows, or its columns where it is `transposed`.
struct OperandSource {
  const float* x = nullptr;
  int64_t rows = 0, columns = 0;
  bool transposed = false;
  int64_t lines() const { return transposed ? columns : rows; }
  int64_t depth() const { return transposed ? rows : columns; }
};

/// Of all its numbers; NaN where there is one. In the same order for any number of threads.
float largest_magnitude(const float* x, int64_t n, Threads& threads);

/// The left side of a product: `right` is what it will meet. y = left · rightᵀ is kernels::gemm.
void prepare_operand(PreparedInput::Layout& layout, const OperandSource& source, const OperandFormat& format,
                     const OperandFormat& right, Threads& threads);
/// The right side. Memory of a layout is reused.
void pack_operand(PackedWeight::Layout& layout, const OperandSource& source, const OperandFormat& format,
                  const OperandFormat& left, Threads& threads);

/// Numbers of a tensor that its format does not hold.
struct Misfits {
  int64_t values = 0;     // that were looked at
  int64_t overflow = 0;   // beyond what rounds to the largest, which they became
  int64_t underflow = 0;  // not 0, and became 0
  void add(const Misfits& more) { values += more.values, overflow += more.overflow, underflow += more.underflow; }
};
/// Of an operand, rounded as its product rounds it; not transposed. F32 and BF16 hold everything: nothing is looked at.
Misfits count_misfits(const OperandSource& source, const OperandFormat& format, Threads& threads);

/// y [left lines, right lines] = left · rightᵀ + bias (nullptr: none).
void multiply(const PreparedInput::Layout& left, const PackedWeight::Layout& right, const float* bias, float* y,
              int64_t stride, Threads& threads);

std::vector<FamilyChoice> explain_operand();

}  // namespace octet::kernels
