// Every rounding mode of every format against exact arithmetic, over all 16-bit values and the neighbourhood of all
// ties.
#include <gtest/gtest.h>

#include <vector>

#include "numeric/exact_for_tests.h"
#include "numeric/formats.h"
#include "numeric/random.h"

namespace octet {
namespace {

/// Magnitudes worth trying: all of BF16 and FP16, and around each value and each tie of the format itself.
std::vector<float> magnitudes(const ExactFormat& format) {
  std::vector<float> all;
  for (uint32_t code = 0; code <= 0x7F80; ++code) all.push_back(bf16_to_float(static_cast<uint16_t>(code)));
  for (uint32_t code = 0; code <= 0x7C00; ++code) all.push_back(fp16_to_float(static_cast<uint16_t>(code)));
  for (size_t code = 0; code < format.values.size(); ++code) {
    const double next = code + 1 < format.values.size() ? format.values[code + 1] : format.following;
    for (const double point : {format.values[code], (format.values[code] + next) / 2}) {
      const auto bits = std::bit_cast<uint32_t>(static_cast<float>(point));
      for (const int offset : {-1, 0, 1}) {
        if (bits != 0 || offset >= 0) all.push_back(std::bit_cast<float>(bits + static_cast<uint32_t>(offset)));
      }
    }
  }
  return all;
}

/// Random words at the edges of the decision, and two in the middle of nowhere.
std::vector<uint32_t> words(const Between& at, float magnitude) {
  std::vector<uint32_t> all = {0, 0xFFFFFFFF, 0x2545F491, 0xB5297A4D};
  const double edge = words_that_round_up(at, magnitude);
  if (edge >= 1 && edge < 0x1p32) {
    all.push_back(static_cast<uint32_t>(edge) - 1);
    all.push_back(static_cast<uint32_t>(edge));
  }
  return all;
}

/// encode(magnitude, rounding, random) gives a code without its sign.
template <typename Encode>
void expect_exact(const ExactFormat& format, Encode encode) {
  for (const float magnitude : magnitudes(format)) {
    const Between at = neighbours(format, magnitude);
    const auto check = [&](Rounding rounding, uint32_t random) {
      const uint32_t want = exact_code(format, at, magnitude, rounding, random);
      const uint32_t got = encode(magnitude, rounding, random);
      if (want != got) {
        ADD_FAILURE() << format.name << ": " << std::hexfloat << magnitude << std::hex << " mode "
                      << static_cast<int>(rounding) << " random " << random << ": want " << want << ", got " << got;
      }
      return want == got;
    };
    bool right = check(Rounding::half_even, 0);
    right &= check(Rounding::half_away, 0);
    right &= check(Rounding::toward_zero, 0);
    for (const uint32_t random : words(at, magnitude)) right &= check(Rounding::stochastic, random);
    if (!right) return;
  }
}

TEST(Rounding, IsExactInEveryModeForE4m3) {
  expect_exact(exact_e4m3(), [](float x, Rounding r, uint32_t random) { return float_to_e4m3(x, r, random); });
  expect_exact(exact_e4m3(), [](float x, Rounding r, uint32_t random) { return float_to_e4m3(-x, r, random) ^ 0x80; });
}

TEST(Rounding, IsExactInEveryModeForE5m2) {
  expect_exact(exact_e5m2(), [](float x, Rounding r, uint32_t random) { return float_to_e5m2(x, r, random); });
  expect_exact(exact_e5m2(), [](float x, Rounding r, uint32_t random) { return float_to_e5m2(-x, r, random) ^ 0x80; });
}

TEST(Rounding, IsExactInEveryModeForBf16) {
  ExactFormat format = exact_bf16();
  expect_exact(format, [](float x, Rounding r, uint32_t random) { return float_to_bf16(x, r, random); });
  expect_exact(format, [](float x, Rounding r, uint32_t random) { return float_to_bf16(-x, r, random) ^ 0x8000; });
  format.saturates = true;
  expect_exact(format,
               [](float x, Rounding r, uint32_t random) { return float_to_bf16(x, r, random, Overflow::saturate); });
}

TEST(Rounding, IsExactInEveryModeForFp16) {
  ExactFormat format = exact_fp16();
  expect_exact(format, [](float x, Rounding r, uint32_t random) { return float_to_fp16(x, r, random); });
  expect_exact(format, [](float x, Rounding r, uint32_t random) { return float_to_fp16(-x, r, random) ^ 0x8000; });
  format.saturates = true;
  expect_exact(format,
               [](float x, Rounding r, uint32_t random) { return float_to_fp16(x, r, random, Overflow::saturate); });
}

TEST(Rounding, IsExactInEveryModeForInt8) {
  const auto as_code = [](int code) { return static_cast<uint32_t>(code); };
  expect_exact(exact_integers(127),
               [&](float x, Rounding r, uint32_t random) { return as_code(float_to_int8(x, r, random)); });
  expect_exact(exact_integers(128),
               [&](float x, Rounding r, uint32_t random) { return as_code(-float_to_int8(-x, r, random)); });
  expect_exact(exact_integers(127), [&](float x, Rounding r, uint32_t random) {
    return as_code(-float_to_int8(-x, r, random, Int8Range::narrow));
  });
}

TEST(Rounding, IsExactInEveryModeForE8m0) {
  for (const float x : magnitudes(exact_bf16())) {
    const double capped = std::clamp<double>(x, 0x1p-127, 0x1p127);
    const int below = std::ilogb(capped);
    const double fraction = std::ldexp(capped, -below) - 1;
    for (const uint32_t random : {0u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
      ASSERT_EQ(float_to_e8m0(x, Rounding::stochastic, random), 127 + below + (random < std::ldexp(fraction, 32)));
    }
    ASSERT_EQ(float_to_e8m0(x, Rounding::toward_zero), 127 + below) << std::hexfloat << x;
    ASSERT_EQ(float_to_e8m0(x, Rounding::half_away), 127 + below + (fraction >= 0.5)) << std::hexfloat << x;
    ASSERT_EQ(float_to_e8m0(x, Rounding::half_even), 127 + below + (fraction >= 0.5)) << std::hexfloat << x;
  }
}

TEST(Rounding, StochasticIsRightOnAverage) {
  const RandomStream stream(7, 0, 0);
  constexpr int kDraws = 200000;
  for (const float x : {1.03f, -0.37f, 0.0011f, 447.0f, -3.0f}) {
    double sum = 0;
    for (int i = 0; i < kDraws; ++i) {
      sum += e4m3_to_float(float_to_e4m3(x, Rounding::stochastic, stream.bits(static_cast<uint64_t>(i))));
    }
    const Between at = neighbours(exact_e4m3(), std::abs(x));
    const double worst_deviation = (at.above - at.below) / 2 / std::sqrt(kDraws);
    EXPECT_NEAR(sum / kDraws, x, 5 * worst_deviation);
  }
}

}  // namespace
}  // namespace octet
