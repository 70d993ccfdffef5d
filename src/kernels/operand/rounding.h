#pragma once
#include "kernels/operand/operand.h"

namespace octet::kernels {

/// Numbers of a row that are rounded at a time, and of a column: what belongs to them stays in the second-level cache.
inline constexpr int64_t kRowStretch = 1024, kColumnStretch = 128;

/// INT8 where both sides are; F32 where a side is; else what this machine multiplies BF16 as.
Arithmetic arithmetic_of(const OperandFormat& a, const OperandFormat& b);
/// What the multiplier is told of an operand: its scales do not depend on what stands next to each other.
InputFormat tag_of(Arithmetic arithmetic);

/// How the numbers of a source become those of an operand: scales, then rounding.
class OperandRounding {
 public:
  OperandRounding(const OperandSource& source, const OperandFormat& format, Arithmetic arithmetic, Threads& threads);

  int64_t element_bytes() const { return kStepBytes / elements_of_step(arithmetic_); }
  /// What products of a line are multiplied with afterwards; without scales: 1.
  bool has_scales() const { return f_.sharing == Sharing::tensor || f_.sharing == Sharing::line; }
  float scale(int64_t line) const;

  /// Multipliers of numbers of a row, one for each `group`.
  struct RowScales {
    const float* multipliers = nullptr;
    const float* inverses = nullptr;
    int64_t group = 0;
  };
  /// Of row `line` of a source that is not transposed, numbers [begin, begin + count), count at most kRowStretch and
  /// begin a multiple of it. Valid until the thread asks again.
  RowScales row_scales(int64_t line, int64_t begin, int64_t count) const;
  /// Rounds the same numbers.
  void round_row(int64_t line, int64_t begin, int64_t count, const RowScales& scales, void* out) const;

  /// Of a transposed source: lines [line, line + kPanel) as words [count / numbers of a word][kPanel], those beyond the
  /// last 0. count is at most kColumnStretch and begin a multiple of it.
  void round_columns(int64_t line, int64_t begin, int64_t count, uint32_t flip, uint32_t* words) const;

 private:
  struct Scales {
    std::vector<float> multipliers, inverses;
    void resize(size_t n) { multipliers.assign(n, 1), inverses.assign(n, 1); }
  };
  void check() const;
  void find_lines(Threads& threads);
  void find_line_largest(float* largest, Threads& threads) const;
  void find_column_largest(float* largest, Threads& threads) const;
  void find_blocks(Threads& threads);
  void column_scales(const float* x, int64_t stride, int64_t line, int64_t begin, int64_t count, float* multipliers,
                     float* inverses) const;

  const OperandSource& s_;
  const OperandFormat& f_;
  Arithmetic arithmetic_;
  int64_t blocks_across_ = 0;         // of the source as it lies
  Scales scales_;                     // of the tensor (for a panel), the lines (whole panels of them) or the blocks
  std::vector<float> line_inverses_;  // of lines, which are not multiplied with them before the product
};

}  // namespace octet::kernels
