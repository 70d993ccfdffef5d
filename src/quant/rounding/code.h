#pragma once
#include "numeric/formats.h"
#include "numeric/int8.h"
#include "tensor/tensor.h"

namespace octet {

/// The grid of INT8, E4M3 or E5M2 codes, a number at a time, half to even.
class Code {
 public:
  explicit Code(Format format, Int8Range range = Int8Range::full) : format_(format), range_(range) {}

  uint8_t encode(float y) const {
    if (format_ == Format::INT8) return static_cast<uint8_t>(float_to_int8(y, Rounding::half_even, 0, range_));
    return format_ == Format::E4M3 ? float_to_e4m3(y) : float_to_e5m2(y);
  }
  float decode(uint8_t code) const {
    if (format_ == Format::INT8) return static_cast<int8_t>(code);
    return format_ == Format::E4M3 ? e4m3_to_float(code) : e5m2_to_float(code);
  }

 private:
  Format format_;
  Int8Range range_;
};

/// Element i of x (F32, BF16 or F16) at any address.
inline float number_at(const std::byte* x, DType dtype, int64_t i) {
  if (dtype == DType::F32) {
    float value;
    std::memcpy(&value, x + i * 4, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, x + i * 2, sizeof bits);
  return dtype == DType::BF16 ? bf16_to_float(bits) : fp16_to_float(bits);
}
inline float number_at(const Tensor& x, int64_t i) {
  return number_at(x.raw(), x.dtype(), i);
}

}  // namespace octet
