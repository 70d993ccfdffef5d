#pragma once
#include <span>

#include "kernels/elementwise/elementwise_kernel.h"
#include "kernels/kernel.h"

namespace octet::kernels {

/// Fastest first. A new instruction set is a file with an ElementwiseKernel and a row here.
std::span<const Kernel<const ElementwiseKernel>> elementwise_kernels();

}  // namespace octet::kernels
