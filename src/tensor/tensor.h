#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace octet {

using Shape = std::vector<int64_t>;

/// Product of a shape whose sizes are known to be sane (from our own code, or checked by the reader).
int64_t elements_of(const Shape& shape);
/// "[4, 64]"
std::string text_of(const Shape& shape);

/// Row-major numbers and their shape. Copies share the storage; a tensor over a mapped file keeps the file mapped.
class Tensor {
 public:
  Tensor() = default;
  /// Fresh storage, 64-byte aligned, not initialised.
  explicit Tensor(Shape shape, DType dtype = DType::F32);
  static Tensor zeros(Shape shape, DType dtype = DType::F32);
  /// A view of bytes that `owner` keeps alive. They are not written through it.
  static Tensor view(Shape shape, DType dtype, const std::byte* data, std::shared_ptr<const void> owner);

  bool empty() const { return data_ == nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t size(int axis) const {
    return shape_[static_cast<size_t>(axis < 0 ? axis + static_cast<int>(shape_.size()) : axis)];
  }
  int64_t elements() const { return elements_of(shape_); }
  int64_t bytes() const { return elements() * bytes_of(dtype_); }

  const std::byte* raw() const { return data_; }
  std::byte* raw() { return const_cast<std::byte*>(data_); }
  template <typename T>
  const T* data() const {
    return reinterpret_cast<const T*>(data_);
  }
  template <typename T>
  T* data() {
    return reinterpret_cast<T*>(raw());
  }
  const float* f32() const { return data<float>(); }
  float* f32() { return data<float>(); }

  /// The same storage under another shape of equally many elements.
  Tensor reshaped(Shape shape) const;
  /// Rows [begin, begin + count) of the first axis, sharing the storage.
  Tensor rows(int64_t begin, int64_t count) const;

  /// Whether another Tensor shares the storage.
  bool shared() const { return owner_.use_count() > 1; }
  /// Its place on the tape that differentiates it (ops/tape.h), kept by copies and reshaped(), not by rows(); -1: none.
  int32_t node() const { return node_; }
  void set_node(int32_t node) { node_ = node; }

 private:
  int32_t node_ = -1;
  Shape shape_;
  DType dtype_ = DType::F32;
  const std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

/// x as F32: itself if it is, else widened (BF16, F16, F8_E4M3, F8_E5M2, F8_E8M0, F64, integers). Throws Error for
/// BOOL.
Tensor to_f32(const Tensor& x);
/// F32 x as `dtype` (F32, BF16, F16), rounded half to even.
Tensor from_f32(const Tensor& x, DType dtype);

}  // namespace octet
