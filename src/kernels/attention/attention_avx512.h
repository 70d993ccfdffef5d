#pragma once
#include "kernels/attention/attention_kernel.h"

// Plain declarations: what the AVX-512 files share.
namespace octet::kernels {

void attention_to_f32_avx512(Stored stored, const void* panel, int64_t depth, int64_t width, float* out);
void attention_round_avx512(const float* x, int64_t n, float* out);
void attention_product_avx512(const float* a, int64_t a_stride, const float* b, int64_t depth, int64_t width,
                              int64_t rows, float* c, int64_t c_stride, const float* correction, const char* ahead,
                              int64_t ahead_step);
void attention_softmax_avx512(const SoftmaxRow& row);

}  // namespace octet::kernels
