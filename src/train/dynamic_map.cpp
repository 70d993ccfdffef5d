#include "train/dynamic_map.h"

namespace octet::train {
namespace {

constexpr size_t kCodes = 256;

std::array<float, kCodes> make_map(bool is_signed) {
  std::array<float, kCodes> map{};  // 0 is in it by this
  size_t at = 1;
  map[at++] = 1.0f;
  for (int exponent = -6; exponent <= 0; ++exponent) {
    const int numbers = 1 << (exponent + 6 + (is_signed ? 0 : 1));
    for (int i = 0; i < numbers; ++i) {  // the middles of equal parts of 0.1 … 1
      const double x = std::pow(10.0, exponent) * (0.1 + 0.9 * (i + 0.5) / numbers);
      map[at++] = static_cast<float>(x);
      if (is_signed) map[at++] = static_cast<float>(-x);
    }
  }
  std::sort(map.begin(), map.end());
  return map;
}

// Floats in their order as integers.
int32_t ordered(float x) {
  const auto bits = std::bit_cast<int32_t>(x);
  return bits >= 0 ? bits : INT32_MIN - bits;
}
float from_ordered(int32_t place) {
  return std::bit_cast<float>(place >= 0 ? place : INT32_MIN - place);
}

// The smallest x that is nearer to `up` than to `down`, or halfway, both differences taken in F32.
float threshold(float down, float up) {
  const float half = (up - down) * 0.5f;
  int32_t below = ordered(down), at = ordered(up);
  while (at - below > 1) {
    const int32_t middle = below + (at - below) / 2;
    (from_ordered(middle) - down >= half ? at : below) = middle;
  }
  return from_ordered(at);
}

struct Tables {
  std::array<float, kCodes> map;
  std::array<float, kCodes> above;  // x from here on gets the next code
  // By the upper 16 bits of x: the code of the smallest x that has them. Thresholds are so far apart that at most one
  // lies among the numbers with the same upper bits.
  std::array<uint8_t, 1 << 16> first;

  explicit Tables(bool is_signed) : map(make_map(is_signed)) {
    for (size_t code = 0; code + 1 < kCodes; ++code) above[code] = threshold(map[code], map[code + 1]);
    above[kCodes - 1] = std::numeric_limits<float>::infinity();
    for (uint32_t upper = 0; upper < first.size(); ++upper) {
      const bool negative = upper >> 15;
      const float smallest = std::bit_cast<float>(upper << 16 | (negative ? 0xFFFF : 0));
      const auto code = std::upper_bound(above.begin(), above.end() - 1, smallest) - above.begin();
      first[upper] = std::isnan(smallest) ? uint8_t{0} : static_cast<uint8_t>(code);
    }
  }
};

const Tables& tables(bool is_signed) {
  static const Tables kSigned(true), kUnsigned(false);
  return is_signed ? kSigned : kUnsigned;
}

}  // namespace

std::span<const float, 256> dynamic_map(bool is_signed) {
  return tables(is_signed).map;
}

uint8_t code_of_zero(bool is_signed) {
  const auto map = dynamic_map(is_signed);
  return static_cast<uint8_t>(std::find(map.begin(), map.end(), 0.0f) - map.begin());
}

void encode_dynamic(bool is_signed, bool keep_positive, const float* x, int64_t n, uint8_t* codes) {
  const Tables& t = tables(is_signed);
  const int least = code_of_zero(is_signed) + 1;
  for (int64_t i = 0; i < n; ++i) {
    const int code = t.first[std::bit_cast<uint32_t>(x[i]) >> 16];
    const int nearest = code + (x[i] >= t.above[static_cast<size_t>(code)] ? 1 : 0);
    codes[i] = static_cast<uint8_t>(keep_positive && x[i] > 0 ? std::max(nearest, least) : nearest);
  }
}

}  // namespace octet::train
