#pragma once
#include <algorithm>
#include <array>

#include "base/error.h"
#include "numeric/formats.h"
#include "numeric/int8.h"
#include "tensor/tensor.h"

namespace octet {

/// The grid of codes of a format, a number at a time, half to even; of LOG8 and CODEBOOK the nearest code, the lower
/// one of two that are as near.
class Code {
 public:
  /// `table` [256], ascending: of CODEBOOK.
  explicit Code(Format format, Int8Range range = Int8Range::full, const float* table = nullptr)
      : format_(format), range_(range) {
    if ((format == Format::CODEBOOK) != (table != nullptr)) fail("a table belongs to a codebook, and to nothing else");
    if (!table) return;
    std::copy(table, table + values_.size(), values_.begin());
    for (size_t i = 0; i < borders_.size(); ++i) borders_[i] = (table[i] + table[i + 1]) / 2;
  }

  uint8_t encode(float y) const {
    switch (format_) {
      case Format::INT8:
        return static_cast<uint8_t>(float_to_int8(y, Rounding::half_even, 0, range_));
      case Format::CODEBOOK:
        return static_cast<uint8_t>(std::lower_bound(borders_.begin(), borders_.end(), y) - borders_.begin());
      case Format::LOG8:
        return float_to_log8(y);
      default:
        return format_ == Format::E4M3 ? float_to_e4m3(y) : float_to_e5m2(y);
    }
  }
  float decode(uint8_t code) const {
    switch (format_) {
      case Format::INT8:
        return static_cast<int8_t>(code);
      case Format::CODEBOOK:
        return values_[code];
      case Format::LOG8:
        return log8_to_float(code);
      default:
        return format_ == Format::E4M3 ? e4m3_to_float(code) : e5m2_to_float(code);
    }
  }

 private:
  Format format_;
  Int8Range range_;
  std::array<float, 256> values_{};
  std::array<float, 255> borders_{};
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
