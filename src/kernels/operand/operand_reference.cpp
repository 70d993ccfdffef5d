// The plain versions, in the words of numeric/.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/operand/operand.h"
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

float value_of(float x, float multiplier, float inverse, Element element, Rounding rounding, uint32_t random) {
  if (element == Element::f32 || element == Element::bf16) return rounded(x, element, rounding, random);
  const float code = rounded(x * multiplier, element, rounding, random);
  return element == Element::int8 ? code : code * inverse;
}

void round(const RoundRow& row) {
  const Rounding rounding = row.random ? Rounding::stochastic : Rounding::half_even;
  for (int64_t i = 0; i < row.n; ++i) {
    const int64_t group = i / row.group;
    const float value = value_of(row.x[i], row.multipliers[group], row.inverses[group], row.element, rounding,
                                 row.random ? row.random[i] : 0);
    if (row.element == Element::int8) {
      static_cast<int8_t*>(row.out)[i] = static_cast<int8_t>(value);
    } else if (row.wide || row.element == Element::f32) {
      static_cast<float*>(row.out)[i] = value;
    } else {
      static_cast<uint16_t*>(row.out)[i] = float_to_bf16(value);
    }
  }
}

void round_columns(const RoundColumns& c) {
  const bool wide = c.wide || c.element == Element::f32;
  const int64_t numbers = c.element == Element::int8 ? 4 : wide ? 1 : 2;
  const Rounding rounding = c.random ? Rounding::stochastic : Rounding::half_even;
  std::fill(c.words, c.words + (c.rows + numbers - 1) / numbers * kRoundColumns, c.flip);
  for (int64_t row = 0; row < c.rows; ++row) {
    for (int64_t i = 0; i < kRoundColumns; ++i) {
      uint32_t random = 0;
      if (c.random) {
        const RandomColumns& r = *c.random;
        const RandomStream stream(r.key_low | uint64_t{r.key_high} << 32, r.step, r.tensor);
        random = stream.block(r.first + static_cast<uint64_t>(i) * r.stride + static_cast<uint64_t>(row / 4))[row % 4];
      }
      const float value =
          value_of(c.x[row * c.stride + i], c.multipliers[i], c.inverses[i], c.element, rounding, random);
      uint32_t bits = std::bit_cast<uint32_t>(value);
      if (numbers == 2) bits = float_to_bf16(value);
      if (numbers == 4) bits = static_cast<uint8_t>(static_cast<int8_t>(value));
      c.words[row / numbers * kRoundColumns + i] ^= bits << (row % numbers * (32 / numbers));
    }
  }
}

float largest(const float* x, int64_t n) {
  uint32_t largest = 0;  // magnitudes compare as integers, and a NaN is the largest of all
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7FFFFFFF);
  return std::bit_cast<float>(largest);
}

void largest_of_groups(const float* x, int64_t n, int64_t group, float* found) {
  for (int64_t at = 0; at < n; at += group) *found++ = largest(x + at, std::min(group, n - at));
}

void largest_of_columns(const float* x, int64_t stride, int64_t rows, float* found) {
  for (int64_t i = 0; i < kRoundColumns; ++i) {
    for (int64_t row = 0; row < rows; ++row) {
      const float both[2] = {found[i], x[row * stride + i]};
      found[i] = largest(both, 2);
    }
  }
}

void multipliers(Element element, ScaleRule rule, const float* found, int64_t n, float* multipliers, float* inverses) {
  for (int64_t i = 0; i < n; ++i) {
    const Multiplier m = multiplier_of(element, rule, found[i]);
    multipliers[i] = m.multiplier;
    inverses[i] = m.inverse;
  }
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

const OperandKernel kOperandReference = {round,       round_columns, largest, largest_of_groups, largest_of_columns,
                                         multipliers, transpose,     random};

}  // namespace octet::kernels
