#pragma once
#include <mutex>

#include "compress/plan.h"

namespace octet {

/// Rows [begin, begin + count) of q as F32; begin is a multiple of the rows that share a scale in blocks.
Tensor dequantized_rows(const QTensor& q, int64_t begin, int64_t count);

/// The numbers of a module, piece by piece: views of the mapped file, or codes turned back into numbers.
class MatrixSource {
 public:
  MatrixSource(const Checkpoint& checkpoint, const ModulePlan& module) : checkpoint_(checkpoint), module_(module) {}

  /// Rows [begin, begin + count) as `dtype`, which is the module's own unless it is quantized. begin is a multiple of
  /// row_step(). From any thread.
  Tensor rows(int64_t begin, int64_t count, DType dtype);
  /// Rows that share a scale of the input.
  int64_t row_step() const;
  /// Its pages are not needed any more.
  void drop();
  /// "model: tensor model.layers.0.mlp.up_proj.weight"
  std::string where() const;

 private:
  const QTensor& codes();
  const Checkpoint& checkpoint_;
  const ModulePlan& module_;
  std::once_flag read_;
  std::optional<QTensor> codes_;
};

}  // namespace octet
