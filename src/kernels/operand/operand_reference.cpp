// The plain versions, in the words of numeric/.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/operand/operand_kernel.h"
#include "numeric/formats.h"
#include "numeric/random.h"

namespace octet::kernels {
namespace {

float rounded(float x, Element element, Rounding rounding, uint32_t random) {
  switch (element) {
    case Element::bf16:
      return bf16_to_float(float_to_bf16(x, rounding, random));
    case Element::e4m3:
      return e4m3_to_float(float_to_e4m3(x, rounding, random));
    case Element::e5m2:
      return e5m2_to_float(float_to_e5m2(x, rounding, random));
    case Element::int8:
      return int8_to_float(float_to_int8(x, rounding, random, Int8Range::narrow));
    case Element::f32:
      break;
  }
  return x;
}

void round(const RoundLine& line) {
  for (int64_t i = 0; i < line.n; ++i) {
    const float value =
        rounded(line.x[i] * line.multiplier, line.element, line.random ? Rounding::stochastic : Rounding::half_even,
                line.random ? line.random[i] : 0);
    if (line.element == Element::int8) {
      static_cast<int8_t*>(line.out)[i] = static_cast<int8_t>(value);
    } else if (line.wide || line.element == Element::f32) {
      static_cast<float*>(line.out)[i] = value;
    } else {
      static_cast<uint16_t*>(line.out)[i] = float_to_bf16(value);
    }
  }
}

float largest(const float* x, int64_t n) {
  uint32_t largest = 0;  // magnitudes compare as integers, and a NaN is the largest of all
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFF);
  return std::bit_cast<float>(largest);
}

void transpose(const uint32_t* from, int64_t from_stride, int64_t rows, int64_t columns, uint32_t* to,
               int64_t to_stride) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      to[column * to_stride + row] = from[row * from_stride + column];
  }
}

void random(uint32_t key_low, uint32_t key_high, uint32_t step, uint32_t tensor, uint64_t first, int64_t blocks,
            uint32_t* random) {
  const RandomStream stream(key_low | uint64_t{key_high} << 32, step, tensor);
  for (int64_t i = 0; i < blocks; ++i) {
    const auto words = stream.block(first + static_cast<uint64_t>(i));
    std::copy(words.begin(), words.end(), random + 4 * i);
  }
}

}  // namespace

const OperandKernel kOperandReference = {round, largest, transpose, random};

}  // namespace octet::kernels
