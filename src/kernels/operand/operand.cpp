#include "kernels/operand/operand.h"

namespace octet::kernels {

bool OperandFormat::operator==(const OperandFormat& o) const {
  return element == o.element && sharing == o.sharing && rule == o.rule && group == o.group && lines == o.lines &&
         multiplier == o.multiplier && !random && !o.random;
}

void multiply(const PreparedInput::Layout& left, const PackedWeight::Layout& right, const float* bias, float* y,
              int64_t stride, Threads& threads) {
  static const GemmKernels kernels[] = {best_kernels(Arithmetic::int8), best_kernels(Arithmetic::bf16),
                                        best_kernels(Arithmetic::f32)};
  gemm_with(kernels[static_cast<int>(right.arithmetic)], left, right, bias, y, stride, threads);
}

}  // namespace octet::kernels
