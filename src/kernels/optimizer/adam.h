#pragma once
#include <span>
#include <vector>

#include "kernels/kernel.h"
#include "kernels/optimizer/adam_kernel.h"

namespace octet::kernels {

/// Fastest first. A new instruction set is a file with an AdamFunction and a row here.
std::span<const Kernel<AdamFunction>> adam_kernels();

/// The fastest one here (Kingma, Ba 2015, arXiv:1412.6980; Loshchilov, Hutter 2019, arXiv:1711.05101).
void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n);

/// What `octet doctor` prints.
std::vector<FamilyChoice> explain_optimizer();

}  // namespace octet::kernels
