// All 2^32 float32 values through every encoder. The oracle knows only the values of a format's codes, in float64:
// between one midpoint and the next the nearest code is the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <vector>

#include "base/threads.h"
#include "numeric/exact_for_tests.h"
#include "numeric/formats.h"

namespace octet {
namespace {

constexpr int64_t kInfinityBits = 0x7F800000;
constexpr int64_t kAllMagnitudes = int64_t{1} << 31;
constexpr int64_t kPiece = int64_t{1} << 20;

/// The magnitudes (as float32 bits) from `first` to before the next step's become `code`, by round-half-even.
struct Step {
  int64_t first;
  uint32_t code;
};

std::vector<Step> steps_of(const ExactFormat& format) {
  std::vector<Step> steps = {{0, 0}};
  const auto codes = static_cast<uint32_t>(format.values.size());
  for (uint32_t code = 1; code <= codes; ++code) {
    if (code == codes && format.saturates) break;
    const double above = code == codes ? format.following : format.values[code];
    const double middle = (format.values[code - 1] + above) / 2;  // a float32, exactly
    const auto tie = static_cast<int64_t>(std::bit_cast<uint32_t>(static_cast<float>(middle)));
    steps.push_back({code % 2 == 0 ? tie : tie + 1, code});
  }
  return steps;
}

/// How many of the magnitudes [begin, end), of either sign, encode(x) gives another code than the steps do.
template <typename Encode>
int64_t count_wrong(const std::vector<Step>& steps, int64_t begin, int64_t end, uint32_t sign, Encode encode) {
  auto next = std::upper_bound(steps.begin(), steps.end(), begin,
                               [](int64_t bits, const Step& step) { return bits < step.first; });
  int64_t wrong = 0;
  while (begin < end) {
    const uint32_t want = (next - 1)->code;
    const int64_t stop = next == steps.end() ? end : std::min(end, next->first);
    for (int64_t bits = begin; bits < stop; ++bits) {
      wrong += encode(std::bit_cast<float>(static_cast<uint32_t>(bits) | sign)) != want ? 1 : 0;
    }
    begin = stop;
    if (next != steps.end()) ++next;
  }
  return wrong;
}

/// encode(x) is the code without its sign if the sign bit of the code is right, otherwise something else.
template <typename Encode>
void sweep(const ExactFormat& format, bool negative, Encode encode) {
  const std::vector<Step> steps = steps_of(format);
  std::atomic<int64_t> wrong = 0;
  Threads threads;
  threads.for_range(kInfinityBits + 1, kPiece, [&](int64_t begin, int64_t end) {
    wrong += count_wrong(steps, begin, end, negative ? 0x80000000 : 0, encode);
  });
  EXPECT_EQ(wrong, 0) << format.name << (negative ? ", negative" : "");
}

/// is_nan(x) says that x, a NaN, was encoded as one.
template <typename IsNan>
void sweep_nans(const char* name, IsNan is_nan) {
  std::atomic<int64_t> wrong = 0;
  Threads threads;
  threads.for_range(kAllMagnitudes - kInfinityBits - 1, kPiece, [&](int64_t begin, int64_t end) {
    int64_t here = 0;
    for (int64_t i = begin; i < end; ++i) {
      const auto bits = static_cast<uint32_t>(kInfinityBits + 1 + i);
      here += is_nan(std::bit_cast<float>(bits)) && is_nan(std::bit_cast<float>(bits | 0x80000000)) ? 0 : 1;
    }
    wrong += here;
  });
  EXPECT_EQ(wrong, 0) << name << ", NaN";
}

TEST(NumericSweep, EveryFloatBecomesTheNearestE4m3) {
  sweep(exact_e4m3(), false, [](float x) -> uint32_t { return float_to_e4m3(x); });
  sweep(exact_e4m3(), true, [](float x) -> uint32_t { return float_to_e4m3(x) ^ 0x80; });
  sweep_nans("E4M3", [](float x) { return (float_to_e4m3(x) & 0x7F) == 0x7F; });
}

TEST(NumericSweep, EveryFloatBecomesTheNearestE5m2) {
  sweep(exact_e5m2(), false, [](float x) -> uint32_t { return float_to_e5m2(x); });
  sweep(exact_e5m2(), true, [](float x) -> uint32_t { return float_to_e5m2(x) ^ 0x80; });
  sweep_nans("E5M2", [](float x) { return (float_to_e5m2(x) & 0x7F) == 0x7F; });
}

TEST(NumericSweep, EveryFloatBecomesTheNearestBf16) {
  sweep(exact_bf16(), false, [](float x) -> uint32_t { return float_to_bf16(x); });
  sweep(exact_bf16(), true, [](float x) -> uint32_t { return float_to_bf16(x) ^ 0x8000; });
  sweep_nans("BF16", [](float x) { return (float_to_bf16(x) & 0x7FC0) == 0x7FC0; });
}

TEST(NumericSweep, EveryFloatBecomesTheNearestFp16) {
  sweep(exact_fp16(), false, [](float x) -> uint32_t { return float_to_fp16(x); });
  sweep(exact_fp16(), true, [](float x) -> uint32_t { return float_to_fp16(x) ^ 0x8000; });
  sweep_nans("FP16", [](float x) { return (float_to_fp16(x) & 0x7E00) == 0x7E00; });
}

TEST(NumericSweep, EveryFloatBecomesTheNearestInt8) {
  sweep(exact_integers(127), false, [](float x) { return static_cast<uint32_t>(float_to_int8(x)); });
  sweep(exact_integers(128), true, [](float x) { return static_cast<uint32_t>(-float_to_int8(x)); });
  sweep_nans("INT8", [](float x) { return float_to_int8(x) == 0; });
}

}  // namespace
}  // namespace octet
