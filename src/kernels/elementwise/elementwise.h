#pragma once
#include <cstdint>
#include <vector>

#include "base/threads.h"
#include "kernels/kernel.h"

namespace octet::kernels {

// Everything here is F32, any alignment, and an element of a result never depends on the number of threads or of rows.

/// y [rows,d] = x [rows,d] / sqrt(mean(x²) + epsilon) · weight [d] (Zhang, Sennrich 2019, arXiv:1910.07467). y may be
/// x.
void rms_norm(const float* x, int64_t rows, int64_t d, const float* weight, float epsilon, float* y, Threads& threads);

/// Σ x² in the order rms_norm sums it, for kernels that fuse the norm.
float sum_of_squares(const float* x, int64_t n);

/// Cosines and sines of position · inverse_frequencies[i], i < half, computed in F64 and times `factor` (YaRN's
/// attention factor, 1 elsewhere), for positions first … first+count-1: count rows of half cosines, then half sines.
void rope_table(const double* inverse_frequencies, int64_t half, int64_t first, int64_t count, double factor,
                float* table);

/// Rotates the first rotary_dim of the d values of each head in place (Su et al. 2021, arXiv:2104.09864; half-split
/// pairs i and i + rotary_dim/2, as Hugging Face's Llama has it). x: tokens `token_stride` floats apart, each
/// [heads,d]; positions [tokens] are rows of a rope_table that starts at position 0. rotary_dim is even and at most d.
void rope(float* x, int64_t tokens, int64_t heads, int64_t d, int64_t rotary_dim, int64_t token_stride,
          const int64_t* positions, const float* table, Threads& threads);

/// out = gate / (1 + exp(-gate)) · up. out may be gate or up.
void silu_multiply(const float* gate, const float* up, float* out, int64_t n, Threads& threads);
void silu_multiply(const float* gate, const float* up, float* out, int64_t n);

/// out = x + y. out may be x or y.
void add(const float* x, const float* y, float* out, int64_t n, Threads& threads);

/// x [rows,d] += bias [d].
void add_row(float* x, int64_t rows, int64_t d, const float* bias, Threads& threads);

/// log Σ exp(x), summed in F64 over spans of 1024. -infinity for n = 0; a NaN anywhere gives NaN.
double log_sum_exp(const float* x, int64_t n);

/// y [rows,d] = exp(x) / Σ exp(x). y may be x.
void softmax_rows(const float* x, int64_t rows, int64_t d, float* y, Threads& threads);

/// y [rows,d] = x - log Σ exp(x). y may be x.
void log_softmax_rows(const float* x, int64_t rows, int64_t d, float* y, Threads& threads);

/// The first index of the largest value; NaN counts as -infinity. 0 where n = 0 or nothing is larger than -infinity.
int64_t argmax(const float* x, int64_t n);

/// What `octet doctor` prints.
std::vector<FamilyChoice> explain_elementwise();

}  // namespace octet::kernels
