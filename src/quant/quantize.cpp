#include "quant/quantize.h"

#include "base/error.h"
#include "quant/codebook.h"
#include "quant/observer/observer.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int64_t kPiece = 1 << 18;  // numbers that a thread takes at once

// Rows that a thread takes at once: whole blocks of scales.
int64_t rows_of_piece(const Extent& extent, int64_t n, int64_t k) {
  if (extent.rows >= n) return n;
  return std::max<int64_t>(1, kPiece / std::max<int64_t>(1, k) / extent.rows) * extent.rows;
}

}  // namespace

DType code_dtype(Format format) {
  if (format == Format::E4M3) return DType::F8_E4M3;
  if (format == Format::LOG8 || format == Format::CODEBOOK) return DType::U8;
  return format == Format::E5M2 ? DType::F8_E5M2 : DType::I8;
}

Tensor scales_of(const Tensor& ranges, const Quantization& q, DType weight, const QuantizeOptions& options,
                 const std::string& what) {
  Tensor scales(ranges.shape());
  for (int64_t i = 0, n = ranges.elements(); i < n; ++i) {
    const float range = ranges.f32()[i];
    if (!std::isfinite(range))
      fail("{} holds NaN or infinite numbers; the checkpoint is damaged, fetch it again", what);
    scales.f32()[i] = scale_of(range, q, weight, options);
  }
  return scales;
}

QTensor quantize(const Tensor& w, const Quantization& q, const QuantizeOptions& given, Threads& threads,
                 const std::string& what) {
  const int64_t n = w.size(0), k = w.size(1);
  const Extent extent = extent_of(q, n, k);
  QTensor result;
  result.weights = q;
  result.codes = Tensor({n, k}, code_dtype(q.format));
  result.scales = Tensor(scale_shape(q, n, k));
  const bool learns = q.format == Format::CODEBOOK;
  threads.for_range(n, rows_of_piece(extent, n, k), [&](int64_t begin, int64_t end) {
    const Tensor rows = w.rows(begin, end - begin);
    const Tensor scales = scales_of(minmax_ranges(rows, q), q, w.dtype(), given, what);
    std::memcpy(result.scales.rows(begin / extent.rows, scales.size(0)).raw(), scales.raw(),
                static_cast<size_t>(scales.bytes()));
    if (!learns) round_to_nearest(rows, begin, q, scales, given, result.codes.raw() + begin * k);
  });
  if (!learns) return result;
  result.table = learn_codebook(w, q, result.scales, {}, threads);
  QuantizeOptions options = given;
  options.table = result.table.f32();
  round_rows_to_nearest(w, q, result.scales, options, threads, result.codes.raw());
  return result;
}

}  // namespace octet
