#pragma once
#include <span>
#include <vector>

#include "kernels/kernel.h"
#include "kernels/quantize/quantize.h"

namespace octet::kernels {

std::span<const Kernel<QuantizeFunction>> quantize_kernels();
std::span<const Kernel<SumFunction>> sum_kernels();

/// What `octet doctor` prints.
std::vector<FamilyChoice> explain_quantize();

}  // namespace octet::kernels
