#include "tensor/tensor.h"

#include <fmt/ranges.h>

#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "numeric/bf16.h"
#include "numeric/e4m3.h"
#include "numeric/e5m2.h"
#include "numeric/e8m0.h"
#include "numeric/fp16.h"
#include "tensor/storage.h"

namespace octet {

int64_t elements_of(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

std::string text_of(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Tensor::Tensor(Shape shape, DType dtype) : shape_(std::move(shape)), dtype_(dtype) {
  owner_ = allocate_storage(static_cast<size_t>(bytes()));
  data_ = static_cast<const std::byte*>(owner_.get());
}

Tensor Tensor::zeros(Shape shape, DType dtype) {
  Tensor tensor(std::move(shape), dtype);
  std::memset(tensor.raw(), 0, static_cast<size_t>(tensor.bytes()));
  return tensor;
}

Tensor Tensor::view(Shape shape, DType dtype, const std::byte* data, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.shape_ = std::move(shape);
  tensor.dtype_ = dtype;
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::reshaped(Shape shape) const {
  if (elements_of(shape) != elements())
    fail("a tensor of shape {} cannot be seen as {}", text_of(shape_), text_of(shape));
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::rows(int64_t begin, int64_t count) const {
  Tensor result = *this;
  result.node_ = -1;
  result.shape_[0] = count;
  const int64_t row = shape_[0] ? elements() / shape_[0] : 0;
  result.data_ = data_ + begin * row * bytes_of(dtype_);
  return result;
}

namespace {

// A stored element may stand at any address in a file.
template <typename Stored, typename Widen>
void widen(const Tensor& x, float* out, Widen to_float) {
  for (int64_t i = 0, n = x.elements(); i < n; ++i) {
    Stored value;
    std::memcpy(&value, x.raw() + i * static_cast<int64_t>(sizeof value), sizeof value);
    out[i] = to_float(value);
  }
}

template <typename Stored>
void widen_number(const Tensor& x, float* out) {
  widen<Stored>(x, out, [](Stored value) { return static_cast<float>(value); });
}

}  // namespace

Tensor to_f32(const Tensor& x) {
  if (x.dtype() == DType::F32 && reinterpret_cast<uintptr_t>(x.raw()) % alignof(float) == 0) return x;
  Tensor result(x.shape());
  float* out = result.f32();
  switch (x.dtype()) {
    case DType::F32:
      widen_number<float>(x, out);
      break;
    case DType::F64:
      widen_number<double>(x, out);
      break;
    case DType::BF16:
      widen<uint16_t>(x, out, bf16_to_float);
      break;
    case DType::F16:
      widen<uint16_t>(x, out, fp16_to_float);
      break;
    case DType::F8_E4M3:
      widen<uint8_t>(x, out, e4m3_to_float);
      break;
    case DType::F8_E5M2:
      widen<uint8_t>(x, out, e5m2_to_float);
      break;
    case DType::F8_E8M0:
      widen<uint8_t>(x, out, e8m0_to_float);
      break;
    case DType::U8:
      widen_number<uint8_t>(x, out);
      break;
    case DType::I8:
      widen_number<int8_t>(x, out);
      break;
    case DType::U16:
      widen_number<uint16_t>(x, out);
      break;
    case DType::I16:
      widen_number<int16_t>(x, out);
      break;
    case DType::U32:
      widen_number<uint32_t>(x, out);
      break;
    case DType::I32:
      widen_number<int32_t>(x, out);
      break;
    case DType::U64:
      widen_number<uint64_t>(x, out);
      break;
    case DType::I64:
      widen_number<int64_t>(x, out);
      break;
    case DType::BOOL:
      fail("a tensor of dtype BOOL holds no numbers");
  }
  return result;
}

Tensor from_f32(const Tensor& x, DType dtype) {
  if (dtype == DType::F32) return x;
  Tensor result(x.shape(), dtype);
  const float* in = x.f32();
  for (int64_t i = 0, n = x.elements(); i < n; ++i) {
    switch (dtype) {
      case DType::BF16:
        result.data<uint16_t>()[i] = float_to_bf16(in[i]);
        break;
      case DType::F16:
        result.data<uint16_t>()[i] = float_to_fp16(in[i]);
        break;
      default:
        fail("numbers are not written as dtype {} here", name_of(dtype));
    }
  }
  return result;
}

}  // namespace octet
