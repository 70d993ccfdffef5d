#include "numeric/random.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers published with the Random123 library of the paper's authors.
static_assert(philox({0, 0, 0, 0}, {0, 0})[3] == 0x9B00DBD8);

TEST(Philox, GivesThePublishedAnswers) {
  constexpr uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  EXPECT_EQ(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}),
            (Words{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

TEST(RandomStream, DependsOnSeedStepTensorAndElement) {
  const RandomStream stream(1, 2, 3);
  EXPECT_EQ(stream.bits(5), RandomStream(1, 2, 3).bits(5));
  EXPECT_NE(stream.bits(5), stream.bits(6));
  EXPECT_NE(stream.bits(5), stream.bits(5 + (uint64_t{1} << 34)));
  EXPECT_NE(stream.bits(5), RandomStream(uint64_t{1} << 32, 2, 3).bits(5));
  EXPECT_NE(stream.bits(5), RandomStream(1, 3, 3).bits(5));
  EXPECT_NE(stream.bits(5), RandomStream(1, 2, 4).bits(5));
  EXPECT_EQ(stream.bits(7), stream.block(1)[3]);
}

TEST(RandomStream, IsUniformInTheUnitInterval) {
  const RandomStream stream(42, 0, 0);
  double sum = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const float u = stream.uniform(i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    sum += u;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 5 * 0.289 / 316);
}

}  // namespace
}  // namespace octet
