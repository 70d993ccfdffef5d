#include "quant/rounding/descent.h"

#include "quant/linear_algebra.h"
#include "quant/rounding/code.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kRows = 512;   // whose gradients are made at once
constexpr int64_t kStrip = 512;  // rows of H that are packed at once: packing all of it would take a third K x K buffer

// One row of w while its codes move.
struct Row {
  int64_t k;
  const float* scales;
  int64_t scale_columns;
  uint8_t* codes;
  float* gradient;  // (w - ŵ)·H

  float scale_at(int64_t j) const { return scales[j / scale_columns]; }
};

// Returns how many moved.
int sweep(const Row& row, const Code& code, const Tensor& h) {
  int moved = 0;
  for (int64_t j = 0; j < row.k; ++j) {
    const float* const column = h.f32() + j * row.k;
    const float curvature = column[j], scale = row.scale_at(j);
    if (!(curvature > 0)) continue;
    const float before = code.decode(row.codes[j]) * scale;
    const uint8_t best = code.encode((before + row.gradient[j] / curvature) / scale);
    const float step = code.decode(best) * scale - before;
    const float gain = step * (2 * row.gradient[j] - step * curvature);
    if (step == 0 || !(gain > 1e-6f * curvature * step * step)) continue;
    row.codes[j] = best;
    for (int64_t i = 0; i < row.k; ++i) row.gradient[i] -= step * column[i];
    ++moved;
  }
  return moved;
}

// errors [C,K] · H, a strip of its columns after the other (H is symmetric) → gradients [C,K].
void multiply_by_strips(const Tensor& errors, const Tensor& h, Threads& threads, Tensor& gradients) {
  const int64_t count = errors.size(0), k = errors.size(1);
  kernels::PreparedInput prepared;
  for (int64_t begin = 0; begin < k; begin += kStrip) {
    const int64_t width = std::min(kStrip, k - begin);
    const kernels::WeightSource strip{width, k, Format::F32, reinterpret_cast<const std::byte*>(h.f32() + begin * k)};
    const kernels::PackedWeight packed(strip, {Format::F32}, threads);
    if (begin == 0) prepared.prepare(errors.f32(), count, k, k, packed.input(), threads);
    kernels::gemm(prepared, packed, nullptr, gradients.f32() + begin, k, threads);
  }
}

}  // namespace

void prepare_descent(Tensor& sums, double damping, Threads& threads) {
  const int64_t k = sums.size(0);
  double trace = 0;
  for (int64_t i = 0; i < k; ++i) trace += sums.f32()[i * (k + 1)];
  const float added = static_cast<float>(damping * trace / static_cast<double>(k));
  threads.for_range(k, 16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = i + 1; j < k; ++j) sums.f32()[i * k + j] = sums.f32()[j * k + i];
    }
  });
  for (int64_t i = 0; i < k; ++i) sums.f32()[i * (k + 1)] += added;
}

void descend(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
             const Tensor& h, int sweeps, Threads& threads, std::byte* codes) {
  const int64_t n = w.size(0), k = w.size(1);
  const Extent extent = extent_of(q, n, k);
  const Code code(q.format, options.int8_range, options.table);
  for (int64_t top = 0; top < n; top += kRows) {
    const int64_t count = std::min(kRows, n - top);
    Tensor errors({count, k}), gradients({count, k});
    const auto scales_of_row = [&](int64_t row) { return scales.f32() + (top + row) / extent.rows * scales.size(1); };
    threads.for_range(count, 8, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * k; i < end * k; ++i) {
        const auto made = static_cast<uint8_t>(codes[top * k + i]);
        errors.f32()[i] = number_at(w, top * k + i) - code.decode(made) * scales_of_row(i / k)[i % k / extent.columns];
      }
    });
    multiply_by_strips(errors, h, threads, gradients);
    threads.for_range(count, 4, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Row row{k, scales_of_row(i), extent.columns, reinterpret_cast<uint8_t*>(codes) + (top + i) * k,
                      gradients.f32() + i * k};
        for (int pass = 0; pass < sweeps && sweep(row, code, h) > 0; ++pass) {
        }
      }
    });
  }
}

}  // namespace octet
