#include "numeric/mx_scale.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "numeric/bf16.h"
#include "numeric/e4m3.h"
#include "numeric/e5m2.h"
#include "numeric/random.h"

namespace octet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Finite positive values: every BF16 with its float32 neighbours, and random ones.
std::vector<float> block_maxima() {
  std::vector<float> all;
  for (uint32_t code = 1; code < 0x7F80; ++code) {
    const uint32_t bits = code << 16;
    for (const uint32_t near : {bits - 1, bits, bits + 1}) all.push_back(std::bit_cast<float>(near));
  }
  const RandomStream stream(1, 0, 0);
  for (uint64_t i = 0; i < 200000; ++i) all.push_back(std::bit_cast<float>(stream.bits(i) % 0x7F800000));
  return all;
}

int clamp_code(int exponent) {
  return std::clamp(exponent + 127, 0, 254);
}

template <Minifloat Element>
void expect_rules(int emax, int mantissa_bits) {
  for (const float a : block_maxima()) {
    if (a == 0) continue;
    const int floor_log2 = std::ilogb(a);
    const double mantissa = std::ldexp(a, -floor_log2);
    const int ceil_log2 = floor_log2 + (mantissa > 1 ? 1 : 0);
    ASSERT_EQ(mx_scale<Element>(a, MxRule::floor), clamp_code(floor_log2 - emax)) << std::hexfloat << a;
    ASSERT_EQ(mx_scale<Element>(a, MxRule::ceil), clamp_code(ceil_log2 - emax)) << std::hexfloat << a;
    const double rounded = std::floor(std::ldexp(mantissa, mantissa_bits) + 0.5);
    ASSERT_EQ(mx_scale<Element>(a, MxRule::even), clamp_code(floor_log2 + (rounded >= 2 << mantissa_bits) - emax))
        << std::hexfloat << a;
    ASSERT_EQ(mx_scale<Element>(a), clamp_code(floor_log2 + (mantissa >= 1.75 ? 1 : 0) - emax)) << std::hexfloat << a;
    // The product with 1 / (1.75 * 2^emax) rounds, so just above 1.75 * 2^k it may come out as a power of two.
    const int up = mx_scale<Element>(a, MxRule::rceil);
    const int exact = clamp_code(floor_log2 + (mantissa > 1.75 ? 1 : 0) - emax);
    const bool blurred = mantissa > 1.75 && mantissa <= 1.75 + 0x1p-22;
    ASSERT_TRUE(up == exact || (blurred && up == exact - 1)) << std::hexfloat << a << ' ' << up << ' ' << exact;
  }
}

TEST(MxScale, FollowsEachRuleForE4m3) {
  expect_rules<kE4m3>(8, 3);
}
TEST(MxScale, FollowsEachRuleForE5m2) {
  expect_rules<kE5m2>(15, 2);
}

TEST(MxScale, NeverSaturatesWithCompressedTensorsRule) {
  for (const float a : block_maxima()) {
    if (a >= 0x1p127f) continue;  // the largest blocks would need a code of their own kind
    ASSERT_LE(a * e8m0_reciprocal(mx_scale<kE4m3>(a)), kE4m3Max) << std::hexfloat << a;
    ASSERT_LE(a * e8m0_reciprocal(mx_scale<kE5m2>(a)), kE5m2Max) << std::hexfloat << a;
  }
}

TEST(MxScale, CompressedTensorsDiffersFromRceilAtTheLargestElementOnly) {
  EXPECT_EQ(mx_scale<kE4m3>(448.0f), 128);
  EXPECT_EQ(mx_scale<kE4m3>(448.0f, MxRule::rceil), 127);
  EXPECT_EQ(mx_scale<kE4m3>(449.0f), mx_scale<kE4m3>(449.0f, MxRule::rceil));
  EXPECT_EQ(mx_scale<kE5m2>(57344.0f, MxRule::rceil), 127);
}

TEST(MxScale, DefinesZeroInfinityAndNan) {
  for (const MxRule rule : {MxRule::floor, MxRule::rceil, MxRule::ceil, MxRule::even, MxRule::compressed_tensors}) {
    EXPECT_EQ(mx_scale<kE4m3>(0.0f, rule), 0);
    EXPECT_EQ(mx_scale<kE4m3>(0x1p-149f, rule), 0);
    EXPECT_EQ(mx_scale<kE5m2>(kInfinity, rule), 254);
    EXPECT_EQ(mx_scale<kE4m3>(std::numeric_limits<float>::quiet_NaN(), rule), 255);
  }
}

}  // namespace
}  // namespace octet
