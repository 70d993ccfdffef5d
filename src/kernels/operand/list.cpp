#include "kernels/operand/list.h"

#include "kernels/operand/operand.h"

namespace octet::kernels {

std::span<const Kernel<const OperandKernel>> operand_kernels() {
  static constexpr Kernel<const OperandKernel> kList[] = {
#if defined(__x86_64__)
    {"avx512", kAvx512, &kOperandAvx512},
    {"avx2", kAvx2, &kOperandAvx2},
#elif defined(__aarch64__)
    {"neon", kNeon, &kOperandNeon},
#endif
    {"reference", 0, &kOperandReference},
  };
  return kList;
}

const OperandKernel& operand_kernel() {
  static const OperandKernel& chosen = *choose(operand_kernels()).run;
  return chosen;
}

std::vector<FamilyChoice> explain_operand() {
  return {explain("operands of training", operand_kernels())};
}

}  // namespace octet::kernels
