#include "compress/matrix_source.h"

#include "base/error.h"
#include "base/escape.h"
#include "kernels/convert/convert.h"

namespace octet {
namespace {

// Numbers in the dtype asked for, rounded once.
Tensor as_dtype(const Tensor& x, DType dtype) {
  if (dtype == DType::F32) return x;
  Tensor result(x.shape(), dtype);
  if (dtype == DType::BF16) {
    kernels::to_bf16(x.f32(), x.elements(), result.data<uint16_t>());
  } else {
    kernels::to_fp16(x.f32(), x.elements(), result.data<uint16_t>());
  }
  return result;
}

}  // namespace

Tensor dequantized_rows(const QTensor& q, int64_t begin, int64_t count) {
  QTensor piece;
  piece.weights = q.weights;
  piece.codes = q.codes.rows(begin, count);
  piece.table = q.table;
  // Rows that share a scale: those of a block, all of them, or one.
  const int64_t step = q.weights.block_rows ? q.weights.block_rows : q.scales.size(0) == 1 ? q.rows() : 1;
  const int64_t first = begin / step, scale_rows = (begin + count + step - 1) / step - first;
  piece.scales = q.scales.rows(first, scale_rows);
  if (!q.zero_points.empty()) piece.zero_points = q.zero_points.rows(first, scale_rows);
  return dequantize(piece);
}

int64_t MatrixSource::row_step() const {
  return module_.from ? std::max(1, module_.from->weights->block_rows) : 1;
}

std::string MatrixSource::where() const {
  return fmt::format("{}: tensor {}", printable(checkpoint_.directory().string()), module_.weight);
}

const QTensor& MatrixSource::codes() {
  std::call_once(read_, [&] {
    QTensor q = read_qtensor(checkpoint_, module_.name, *module_.from);
    if (q.rows() != module_.n || q.columns() != module_.k) {
      fail("{} has {} x {} codes, but config.json asks for {} x {}", where(), q.rows(), q.columns(), module_.n,
           module_.k);
    }
    check_codes(q, where());
    codes_ = std::move(q);
  });
  return *codes_;
}

Tensor MatrixSource::rows(int64_t begin, int64_t count, DType dtype) {
  if (!module_.from) return checkpoint_.rows(module_.weight, begin, count);
  return as_dtype(dequantized_rows(codes(), begin, count), dtype);
}

void MatrixSource::drop() {
  if (!module_.from) return checkpoint_.drop(module_.weight);
  codes_.reset();
  for (const TensorInfo& info : plan_qtensor(module_.name, *module_.from, module_.n, module_.k, module_.dtype)) {
    if (checkpoint_.has(info.name)) checkpoint_.drop(info.name);
  }
}

}  // namespace octet
