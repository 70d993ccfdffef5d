#pragma once
#include <cstdint>

// Plain declarations only: files compiled for one instruction set include this.
namespace octet::kernels {

/// The numbers of one step, rounded to F32 as PyTorch rounds them.
struct AdamStep {
  float gradient_scale;   ///< g' = g · gradient_scale + l2 · w
  float l2;               ///< Adam's weight decay
  float keep;             ///< AdamW's: w' = w · keep
  float one_minus_beta1;  ///< m ← m + (g' - m) · one_minus_beta1
  float beta2;            ///< v ← v · beta2 + (one_minus_beta2 · g') · g'
  float one_minus_beta2;
  float root_of_correction;  ///< √(1 - beta2^step)
  float epsilon;
  float step_size;  ///< w ← w' - step_size · m / (√v / root_of_correction + epsilon)
};

/// One step of Adam or AdamW on n weights, any alignment. Only correctly rounded operations, none fused: every
/// instruction set gives the same bits.
using AdamFunction = void(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n);

extern AdamFunction adam_reference, adam_avx2, adam_avx512, adam_neon;

}  // namespace octet::kernels
