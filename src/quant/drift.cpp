#include "quant/drift.h"

#include <algorithm>

#include "kernels/convert/convert.h"
#include "quant/linear_algebra.h"

namespace octet {
namespace {

constexpr int64_t kStrip = 256;       // columns that are made at once
constexpr int64_t kJudgedRows = 256;  // of which the halves are compared
// One matrix after the other makes up for the same loss: more than this overshoots (0.5 to 0.7 were best on three
// models, 1 was no better than none).
constexpr float kShare = 0.6f;

double inner(const Tensor& x, const Tensor& y) {
  double sum = 0;
  for (int64_t i = 0; i < x.elements(); ++i) sum += static_cast<double>(x.f32()[i]) * y.f32()[i];
  return sum;
}

}  // namespace

Drift::Drift(Of of, int64_t rows, int64_t columns, Format format)
    : of_(of), format_(format), sums_(Tensor::zeros({rows, columns})) {
  first_half_ = Tensor::zeros({(rows + row_step() - 1) / row_step(), columns});
}

int64_t Drift::row_step() const {
  return std::max<int64_t>(1, sums_.size(0) / kJudgedRows);
}

void Drift::add(const Tensor& lacking, const Tensor& x, Scratch& scratch, Threads& threads) {
  const int64_t m = x.size(0), k = x.size(1), rows = sums_.size(0);
  if (m == 0) return;
  scratch.lacking.resize(static_cast<size_t>(rows * m));
  scratch.inputs.resize(static_cast<size_t>(k * m));
  scratch.product.resize(static_cast<size_t>(rows * kStrip));
  transpose({lacking.f32(), m, rows, rows}, scratch.lacking.data(), threads);
  transpose({x.f32(), m, k, k}, scratch.inputs.data(), threads);
  for (int64_t begin = 0; begin < k; begin += kStrip) {
    const int64_t width = std::min(kStrip, k - begin);
    const float* const columns = scratch.inputs.data() + begin * m;
    kernels::WeightSource source{width, m, format_, reinterpret_cast<const std::byte*>(columns)};
    if (format_ == Format::BF16) {
      scratch.narrow.resize(static_cast<size_t>(width * m));
      kernels::to_bf16(columns, width * m, scratch.narrow.data());
      source.codes = reinterpret_cast<const std::byte*>(scratch.narrow.data());
    }
    const kernels::PackedWeight packed(source, {format_}, threads);
    if (begin == 0) scratch.prepared.prepare(scratch.lacking.data(), rows, m, m, packed.input(), threads);
    kernels::gemm(scratch.prepared, packed, nullptr, scratch.product.data(), width, threads);
    threads.for_range(rows, 64, [&](int64_t first, int64_t last) {
      for (int64_t row = first; row < last; ++row) {
        const float* const made = scratch.product.data() + row * width;
        for (int64_t j = 0; j < width; ++j) sums_.f32()[row * k + begin + j] += made[j];
        if (odd_ || row % row_step() != 0) continue;
        float* const half = first_half_.f32() + row / row_step() * k + begin;
        for (int64_t j = 0; j < width; ++j) half[j] += made[j];
      }
    });
  }
  seen_[odd_] += m;
  odd_ = !odd_;
}

void Drift::divide_columns(const std::vector<float>& factors) {
  const int64_t k = sums_.size(1);
  for (const bool half : {false, true}) {
    Tensor& sums = half ? first_half_ : sums_;
    for (int64_t i = 0; i < sums.elements(); ++i) {
      const int64_t row = i / k * (half ? row_step() : 1);
      sums.f32()[i] /= factors[static_cast<size_t>(i % k)];
      if (of_ == Of::input) sums.f32()[i] /= factors[static_cast<size_t>(row)];
    }
  }
}

// With a and b the sums of the halves, chance has no part in a·H⁻¹·b.
double Drift::share(const GptqFactor& factor, Threads& threads) const {
  if (seen_[0] == 0 || seen_[1] == 0) return 0;
  const int64_t k = sums_.size(1);
  const Tensor& a = first_half_;
  Tensor b(a.shape()), of_a(a.shape()), of_b(a.shape());
  for (int64_t i = 0; i < a.elements(); ++i) {
    b.f32()[i] = sums_.f32()[i / k * row_step() * k + i % k] - a.f32()[i];
    of_a.f32()[i] = a.f32()[i];
    of_b.f32()[i] = b.f32()[i];
  }
  factor.solve(of_a, threads);
  factor.solve(of_b, threads);
  const double both = inner(of_a, b), all = inner(of_a, a) + 2 * both + inner(of_b, b);
  const double first = static_cast<double>(seen_[0]), second = static_cast<double>(seen_[1]);
  const double certain = both * (first + second) * (first + second) / (first * second);
  return all > 0 ? std::clamp(certain / all, 0.0, 1.0) : 0;
}

Tensor Drift::target(const Tensor& w, const GptqFactor& factor, double share, Threads& threads) const {
  const int64_t n = w.size(0), k = w.size(1);
  if (!(share > 0)) return w;
  Tensor moved({n, k});
  if (of_ == Of::output) {
    std::memcpy(moved.raw(), sums_.raw(), static_cast<size_t>(moved.bytes()));
  } else {
    Tensor columns({k, k});
    transpose({sums_.f32(), k, k, k}, columns.f32(), threads);
    Product(threads).multiply({w.f32(), n, k, k}, {columns.f32(), k, k, k}, moved.f32(), k);
  }
  factor.solve(moved, threads);
  const float by = kShare * static_cast<float>(share);
  threads.for_range(moved.elements(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) moved.f32()[i] = w.f32()[i] + by * moved.f32()[i];
  });
  return moved;
}

}  // namespace octet
