#include "numeric/formats.h"

#include <gtest/gtest.h>

#include <cmath>

namespace octet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// All of it works while compiling.
static_assert(e4m3_to_float(0x7E) == 448 && e4m3_to_float(0x01) == 0x1p-9f && e4m3_to_float(0xB8) == -1);
static_assert(e5m2_to_float(0x7B) == 57344 && e5m2_to_float(0x01) == 0x1p-16f && e5m2_to_float(0xFC) == -kInfinity);
static_assert(float_to_e4m3(1.0625f) == 0x38 && float_to_e4m3(1.1875f) == 0x3A);  // ties, to even
static_assert(float_to_e4m3(1.0625f, Rounding::half_away) == 0x39);
static_assert(float_to_e4m3(1.12f, Rounding::toward_zero) == 0x38);
static_assert(float_to_e4m3(1.03125f, Rounding::stochastic, 0x3FFFFFFF) == 0x39);
static_assert(float_to_e4m3(1.03125f, Rounding::stochastic, 0x40000000) == 0x38);
static_assert(float_to_bf16(1.00390625f) == 0x3F80 && float_to_fp16(65520) == 0x7C00);
static_assert(float_to_int8(2.5f) == 2 && float_to_int8(-3.5f) == -4 && float_to_int8(1e9f) == 127);
static_assert(e8m0_to_float(0) == 0x1p-127f && e8m0_to_float(254) == 0x1p127f && float_to_e8m0(0.25f) == 125);

TEST(Fp8, SaturatesAndNeverWritesAnInfinity) {
  for (const float x : {449.0f, 464.0f, 465.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(float_to_e4m3(x), 0x7E) << x;
    EXPECT_EQ(float_to_e4m3(-x), 0xFE) << x;
  }
  for (const float x : {57345.0f, 61440.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(float_to_e5m2(x), 0x7B) << x;
    EXPECT_EQ(float_to_e5m2(-x), 0xFB) << x;
  }
}

TEST(Fp8, KeepsTheSignOfZeroAndNan) {
  EXPECT_EQ(float_to_e4m3(-0.0f), 0x80);
  EXPECT_EQ(float_to_e5m2(-1e-30f), 0x80);
  EXPECT_TRUE(std::signbit(e4m3_to_float(0x80)));
  EXPECT_EQ(float_to_e4m3(kNan), 0x7F);
  EXPECT_EQ(float_to_e4m3(-kNan), 0xFF);
  EXPECT_EQ(float_to_e5m2(kNan), 0x7F);
  EXPECT_EQ(float_to_e5m2(-kNan), 0xFF);
}

TEST(Int8, ClampsAndTurnsNanIntoZero) {
  EXPECT_EQ(float_to_int8(kNan), 0);
  EXPECT_EQ(float_to_int8(kInfinity), 127);
  EXPECT_EQ(float_to_int8(-kInfinity), -128);
  EXPECT_EQ(float_to_int8(-kInfinity, Rounding::half_even, 0, Int8Range::narrow), -127);
  EXPECT_EQ(float_to_int8(-127.6f), -128);
  EXPECT_EQ(float_to_int8(-127.6f, Rounding::half_even, 0, Int8Range::narrow), -127);
}

TEST(Float16, OverflowsAsIeeeOrSaturates) {
  EXPECT_EQ(float_to_fp16(65519.0f), 0x7BFF);
  EXPECT_EQ(float_to_fp16(-1e30f), 0xFC00);
  EXPECT_EQ(float_to_fp16(1e30f, Rounding::toward_zero), 0x7BFF);
  EXPECT_EQ(float_to_fp16(kInfinity, Rounding::toward_zero), 0x7C00);
  EXPECT_EQ(float_to_fp16(kInfinity, Rounding::half_even, 0, Overflow::saturate), 0x7BFF);
  EXPECT_EQ(float_to_bf16(0x1.FFp127f), 0x7F80);
  EXPECT_EQ(float_to_bf16(-0x1.FFp127f, Rounding::half_even, 0, Overflow::saturate), 0xFF7F);
}

TEST(Float16, KeepsTheSignAndPayloadOfNan) {
  const auto nan = std::bit_cast<float>(0xFF8A0001);
  EXPECT_EQ(float_to_bf16(nan), 0xFFCA);
  EXPECT_EQ(float_to_fp16(nan), 0xFE50);
  EXPECT_EQ(std::bit_cast<uint32_t>(fp16_to_float(0xFC50)), 0xFFCA0000);
  EXPECT_EQ(std::bit_cast<uint32_t>(bf16_to_float(0x7F81)), 0x7F810000u);
}

TEST(E8m0, HasNanAndSaturatesAtBothEnds) {
  EXPECT_TRUE(std::isnan(e8m0_to_float(0xFF)));
  EXPECT_EQ(float_to_e8m0(kNan), 0xFF);
  EXPECT_EQ(float_to_e8m0(-1.0f), 0xFF);
  EXPECT_EQ(float_to_e8m0(0.0f), 0);
  EXPECT_EQ(float_to_e8m0(-0.0f), 0);
  EXPECT_EQ(float_to_e8m0(0x1p-149f), 0);
  EXPECT_EQ(float_to_e8m0(kInfinity), 254);
}

TEST(E8m0, ReciprocalIsExactForEveryCode) {
  for (int code = 0; code < 255; ++code) {
    const auto scale = static_cast<uint8_t>(code);
    EXPECT_EQ(e8m0_to_float(scale) * e8m0_reciprocal(scale), 1.0f) << code;
  }
  EXPECT_TRUE(std::isnan(e8m0_reciprocal(0xFF)));
}

TEST(Formats, ListIsInOrderAndFoundByName) {
  for (size_t i = 0; i < std::size(kFormats); ++i) {
    EXPECT_EQ(static_cast<size_t>(kFormats[i].format), i);
    EXPECT_EQ(find_format(kFormats[i].name), kFormats[i].format);
  }
  EXPECT_EQ(find_format("E3M4"), std::nullopt);
}

TEST(Formats, ListStatesTheLimitsThatCodesHave) {
  for (const FormatInfo& info : kFormats) {
    for (const float x : {info.max_finite, info.min_normal, info.min_positive}) {
      EXPECT_EQ(info.decode(info.encode(x, Rounding::half_even, 0)), x) << info.name;
    }
    if (info.bits > 16) continue;
    float largest = 0;
    float smallest = kInfinity;
    for (uint32_t code = 0; code < uint32_t{1} << info.bits; ++code) {
      const float value = info.decode(code);
      if (std::isfinite(value)) largest = std::max(largest, value);
      if (value > 0) smallest = std::min(smallest, value);
    }
    EXPECT_EQ(largest, info.max_finite) << info.name;
    EXPECT_EQ(smallest, info.min_positive) << info.name;
  }
}

}  // namespace
}  // namespace octet
