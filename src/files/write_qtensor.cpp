#include "base/error.h"
#include "files/quantization_config.h"
#include "numeric/e8m0.h"

namespace octet {
namespace {

TensorInfo planned(std::string_view module, const char* suffix, DType dtype, Shape shape) {
  const int64_t bytes = elements_of(shape) * bytes_of(dtype);
  return {fmt::format("{}.{}", module, suffix), dtype, std::move(shape), 0, bytes};
}

DType code_dtype(Format format) {
  if (format == Format::INT8) return DType::I8;
  if (format == Format::LOG8 || format == Format::CODEBOOK) return DType::U8;
  return format == Format::E5M2 ? DType::F8_E5M2 : DType::F8_E4M3;
}

bool is_native_block(const ConfigGroup& group) {
  return group.storage == Storage::fp8_blocks && group.weights->granularity == Granularity::block;
}

DType stored_scale_dtype(const ConfigGroup& group, DType scale_dtype) {
  if (group.weights->scale_format == Format::E8M0) return DType::U8;
  if (group.storage == Storage::fp8_blocks) return DType::F32;
  return scale_dtype == DType::BF16 || scale_dtype == DType::F32 ? scale_dtype : DType::F16;
}

// One scale for a whole tensor is stored as [1].
Shape stored_scale_shape(const Quantization& q, int64_t n, int64_t k) {
  return q.granularity == Granularity::tensor ? Shape{1} : scale_shape(q, n, k);
}

Tensor e8m0_codes(const Tensor& scales) {
  Tensor codes(scales.shape(), DType::U8);
  for (int64_t i = 0; i < scales.elements(); ++i) codes.data<uint8_t>()[i] = float_to_e8m0(scales.f32()[i]);
  return codes;
}

template <typename T>
Tensor tensor_of(DType dtype, std::initializer_list<T> values) {
  Tensor tensor({static_cast<int64_t>(values.size())}, dtype);
  std::copy(values.begin(), values.end(), tensor.data<T>());
  return tensor;
}

Tensor packed(const Tensor& codes) {
  const int64_t n = codes.size(0), k = codes.size(1);
  Tensor result({n, packed_row_bytes(k) / 4}, DType::I32);
  pack_rows(codes.data<int8_t>(), n, k, result.raw());
  return result;
}

}  // namespace

std::vector<TensorInfo> plan_qtensor(std::string_view module, const ConfigGroup& group, int64_t n, int64_t k,
                                     DType scale_dtype) {
  if (!group.weights || group.storage == Storage::dense) fail("{}: is not quantized by its config group", module);
  const Quantization& q = *group.weights;
  if (!q.symmetric) fail("{}: weights with zero points are read but not written", module);
  std::vector<TensorInfo> plan;
  const DType scales = stored_scale_dtype(group, scale_dtype);
  const bool is_packed = group.storage == Storage::pack_quantized;
  if (is_packed) {
    plan.push_back(planned(module, "weight_packed", DType::I32, {n, packed_row_bytes(k) / 4}));
  } else {
    plan.push_back(planned(module, "weight", code_dtype(q.format), {n, k}));
  }
  plan.push_back(planned(module, is_native_block(group) ? "weight_scale_inv" : "weight_scale", scales,
                         stored_scale_shape(q, n, k)));
  if (q.format == Format::CODEBOOK) plan.push_back(planned(module, "weight_codebook", DType::BF16, {256}));
  if (is_packed) plan.push_back(planned(module, "weight_shape", DType::I64, {2}));
  if (group.activations && !group.activations->dynamic) {
    plan.push_back(planned(module, "input_scale", scales, {1}));
    if (!group.activations->symmetric) plan.push_back(planned(module, "input_zero_point", DType::I8, {1}));
  }
  return plan;
}

std::vector<Tensor> encode_qtensor(const QTensor& q, const ConfigGroup& group, DType scale_dtype) {
  std::vector<Tensor> tensors;
  const DType dtype = stored_scale_dtype(group, scale_dtype);
  const bool is_packed = group.storage == Storage::pack_quantized;
  tensors.push_back(is_packed ? packed(q.codes) : q.codes);
  const Tensor scales = q.scales.reshaped(stored_scale_shape(*group.weights, q.rows(), q.columns()));
  tensors.push_back(dtype == DType::U8 ? e8m0_codes(scales) : from_f32(scales, dtype));
  if (!q.table.empty()) tensors.push_back(from_f32(q.table, DType::BF16));
  if (is_packed) tensors.push_back(tensor_of<int64_t>(DType::I64, {q.rows(), q.columns()}));
  if (group.activations && !group.activations->dynamic) {
    tensors.push_back(from_f32(tensor_of<float>(DType::F32, {q.input_scale}), dtype));
    if (!group.activations->symmetric) {
      tensors.push_back(tensor_of<int8_t>(DType::I8, {static_cast<int8_t>(q.input_zero_point)}));
    }
  }
  return tensors;
}

void pack_rows(const int8_t* codes, int64_t rows, int64_t k, std::byte* out) {
  const int64_t padded = packed_row_bytes(k);
  for (int64_t row = 0; row < rows; ++row, codes += k, out += padded) {
    for (int64_t i = 0; i < k; ++i) out[i] = static_cast<std::byte>(codes[i]) ^ std::byte{0x80};
    std::fill(out + k, out + padded, std::byte{0});
  }
}

}  // namespace octet
