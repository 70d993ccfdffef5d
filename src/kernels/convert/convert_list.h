#pragma once
#include <span>

#include "kernels/convert/convert_kernel.h"
#include "kernels/kernel.h"

namespace octet::kernels {

/// Fastest first. A new instruction set is a file with a ConvertKernel and a row here.
std::span<const Kernel<const ConvertKernel>> convert_kernels();

}  // namespace octet::kernels
