#include "base/units.h"

#include <gtest/gtest.h>

#include <limits>

namespace octet {

TEST(Units, ShowThreeDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(999.9), "1.00 kB");
  EXPECT_EQ(human_bytes(1000), "1.00 kB");
  EXPECT_EQ(human_bytes(5767168), "5.77 MB");
  EXPECT_EQ(human_bytes(3.2e9), "3.20 GB");
  EXPECT_EQ(human_count(260032), "260 k");
  EXPECT_EQ(human_count(1.04e6), "1.04 M");
  EXPECT_EQ(human_count(17.25), "17.2");
  EXPECT_EQ(human_seconds(0.0123), "12.3 ms");
  EXPECT_EQ(human_seconds(0.00001234), "12.3 µs");
  EXPECT_EQ(human_seconds(3725), "1 h 2 min");
  EXPECT_EQ(human_seconds(125), "2 min 5 s");
  EXPECT_EQ(three_digits(0.01234), "0.0123");
  EXPECT_EQ(three_digits(1.4), "1.40");
  EXPECT_EQ(three_digits(-512.4), "-512");
}

TEST(Units, SurviveWhatIsNotANumber) {
  EXPECT_EQ(three_digits(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(human_bytes(std::numeric_limits<double>::infinity()), "∞ PB");
  EXPECT_EQ(human_seconds(-1), "-");
  EXPECT_EQ(clock_time(std::numeric_limits<double>::infinity()), "-");
}

TEST(Units, ClockTimeLooksLikeAClock) {
  EXPECT_EQ(clock_time(7), "0:07");
  EXPECT_EQ(clock_time(754), "12:34");
  EXPECT_EQ(clock_time(3723), "1:02:03");
}

}  // namespace octet
