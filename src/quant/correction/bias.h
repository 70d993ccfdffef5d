#pragma once
#include <vector>

#include "base/threads.h"
#include "tensor/qtensor.h"

namespace octet {

/// The mean error of the output, (w - ŵ)·mean(x), added to the layer's bias [N] F32 (bias correction: Nagel et al.
/// 2019, arXiv:1906.04721). w [N,K] F32, input_mean [K].
void correct_bias(Tensor& bias, const Tensor& w, const QTensor& q, const std::vector<float>& input_mean,
                  Threads& threads);

}  // namespace octet
