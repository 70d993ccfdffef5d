#include "ops/weight.h"

#include "base/error.h"

namespace octet {
namespace {

using kernels::InputFormat;
using kernels::WeightSource;

Format format_of(DType dtype, const std::string& module) {
  switch (dtype) {
    case DType::F32:
      return Format::F32;
    case DType::F16:
      return Format::FP16;
    case DType::BF16:
      return Format::BF16;
    case DType::I8:
      return Format::INT8;
    case DType::F8_E4M3:
      return Format::E4M3;
    case DType::F8_E5M2:
      return Format::E5M2;
    default:
      fail("{}: a weight of dtype {} cannot be multiplied with", module, name_of(dtype));
  }
}

// Decision 2: BF16 multiplies in BF16, everything else in F32.
InputFormat float_input(DType dtype) {
  return {dtype == DType::BF16 ? Format::BF16 : Format::F32};
}

InputFormat input_of(const QTensor& q, DType float_dtype) {
  if (!q.activations) return float_input(float_dtype);
  const Quantization& a = *q.activations;
  InputFormat input{a.format};
  input.group = a.granularity == Granularity::group ? a.group : 0;
  input.e8m0 = a.scale_format == Format::E8M0;
  if (!a.dynamic) {
    input.scale = q.input_scale;
    input.zero_point = q.input_zero_point;
  }
  return input;
}

WeightSource source_of(const QTensor& q, const std::string& module) {
  const bool plain = q.codes.dtype() != DType::U8;  // else what the bytes are is known by the scheme alone
  const Format format = plain ? format_of(q.codes.dtype(), module) : q.weights.format;
  WeightSource source{q.rows(), q.columns(), format, q.codes.raw()};
  source.table = q.table.empty() ? nullptr : q.table.f32();
  source.scales = q.scales.f32();
  source.zero_points = q.zero_points.empty() ? nullptr : q.zero_points.data<int8_t>();
  const Quantization& w = q.weights;
  source.group = w.granularity == Granularity::group || w.granularity == Granularity::block ? w.group : 0;
  if (w.granularity == Granularity::tensor) source.scale_rows = q.rows();
  if (w.granularity == Granularity::block) source.scale_rows = w.block_rows;
  return source;
}

}  // namespace

Weight::Weight(std::string module, const Tensor& values, const Tensor& bias, Threads& threads)
    : module_(std::move(module)), bias_(bias.empty() ? bias : to_f32(bias)) {
  const WeightSource source{values.size(0), values.size(1), format_of(values.dtype(), module_), values.raw()};
  packed_ = std::make_shared<kernels::PackedWeight>(source, float_input(values.dtype()), threads);
}

Weight::Weight(std::string module, const QTensor& q, const Tensor& bias, DType float_dtype, Threads& threads)
    : module_(std::move(module)), bias_(bias.empty() ? bias : to_f32(bias)) {
  packed_ = std::make_shared<kernels::PackedWeight>(source_of(q, module_), input_of(q, float_dtype), threads);
}

Weight::Weight(std::string module, Tensor value, Tensor bias, const LinearRecipe& recipe, uint32_t number)
    : module_(std::move(module)), bias_(std::move(bias)), trained_(std::make_shared<TrainedWeight>()) {
  const auto history = [&](const OperandRecipe& r) {
    return AmaxHistory(r.element, r.delayed ? recipe.history : 0, recipe.margin);
  };
  *trained_ = {std::move(value), recipe, number, history(recipe.x), history(recipe.w), history(recipe.dy)};
}

}  // namespace octet
