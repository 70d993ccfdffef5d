#include "kernels/gradient/gradient_kernel.h"

#include "kernels/gradient/gradient.inc"

namespace octet::kernels {
const GradientKernel kGradientNeon = {rms_norm, add_product, add, dot, silu_multiply, exp, scale, softmax, rotate_back};
}  // namespace octet::kernels
