#pragma once
#include "kernels/kernel.h"
#include "kernels/operand/operand_kernel.h"

namespace octet::kernels {

/// Fastest first. A new instruction set is a file with an OperandKernel and a row here.
std::span<const Kernel<const OperandKernel>> operand_kernels();
/// The fastest one here.
const OperandKernel& operand_kernel();

}  // namespace octet::kernels
