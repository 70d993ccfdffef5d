#include "quant/hessian.h"

#include "kernels/convert/convert.h"
#include "quant/linear_algebra.h"

namespace octet {
namespace {

constexpr int64_t kStrip = 256;  // columns that are made at once

}  // namespace

Hessian::Hessian(int64_t k, Format format) : format_(format), sums_(Tensor::zeros({k, k})) {}

void Hessian::add(const Tensor& x, Threads& threads) {
  Scratch scratch;
  add(x, scratch, threads);
}

void Hessian::add(const Tensor& x, Scratch& scratch, Threads& threads) {
  const int64_t m = x.size(0), k = x.size(1);
  if (m == 0) return;
  auto& [prepared, transposed, product, narrow] = scratch;
  transposed.resize(static_cast<size_t>(m * k));
  transpose({x.f32(), m, k, k}, transposed.data(), threads);
  product.resize(static_cast<size_t>(k * std::min(k, kStrip)));
  for (int64_t begin = 0; begin < k; begin += kStrip) {
    const int64_t width = std::min(kStrip, k - begin);
    const float* rows = transposed.data() + begin * m;
    kernels::WeightSource source{width, m, format_, reinterpret_cast<const std::byte*>(rows)};
    if (format_ == Format::BF16) {
      narrow.resize(static_cast<size_t>(width * m));
      kernels::to_bf16(rows, width * m, narrow.data());
      source.codes = reinterpret_cast<const std::byte*>(narrow.data());
    }
    const kernels::PackedWeight packed(source, {format_}, threads);
    prepared.prepare(rows, k - begin, m, m, packed.input(), threads);
    kernels::gemm(prepared, packed, nullptr, product.data(), width, threads);
    add_strip(begin, width, product, threads);
  }
  rows_ += m;
}

// The product's rows begin …, of the strip's own square the lower triangle.
void Hessian::add_strip(int64_t begin, int64_t width, const std::vector<float>& product, Threads& threads) {
  const int64_t k = sums_.size(0);
  float* sums = sums_.f32() + begin * k + begin;
  threads.for_range(k - begin, 64, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const int64_t used = std::min(width, row + 1);
      for (int64_t j = 0; j < used; ++j) sums[row * k + j] += product[static_cast<size_t>(row * width + j)];
    }
  });
}

std::vector<float> Hessian::mean_squares() const {
  const int64_t k = sums_.size(0);
  std::vector<float> result(static_cast<size_t>(k));
  const float rows = static_cast<float>(std::max<int64_t>(1, rows_));
  for (int64_t j = 0; j < k; ++j) result[static_cast<size_t>(j)] = sums_.f32()[j * k + j] / rows;
  return result;
}

void Hessian::divide_columns(const std::vector<float>& factors, Threads& threads) {
  const int64_t k = sums_.size(0);
  threads.for_range(k, 64, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      for (int64_t j = 0; j <= i; ++j) {
        sums_.f32()[i * k + j] /= factors[static_cast<size_t>(i)] * factors[static_cast<size_t>(j)];
      }
    }
  });
}

}  // namespace octet
