#include "report/ticks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace octet::report {
namespace {

TEST(Ticks, AreRoundAndCoverTheData) {
  EXPECT_EQ(linear_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(tick_texts(linear_ticks(0.1, 0.73, 4), Unit::number),
            (std::vector<std::string>{"0", "0.2", "0.4", "0.6", "0.8"}));
  for (const double low : {-3.7, 0.0, 1e-9, 12345.0}) {
    for (const double span : {1e-7, 0.3, 1.0, 17.0, 1e9}) {
      const auto ticks = linear_ticks(low, low + span, 5);
      EXPECT_LE(ticks.front(), low + span * 1e-6);
      EXPECT_GE(ticks.back(), low + span * (1 - 1e-6));
      EXPECT_GE(ticks.size(), 2u);
      EXPECT_LE(ticks.size(), 13u);
    }
  }
}

TEST(Ticks, SurviveEqualEmptyAndInfiniteRanges) {
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  for (const double low : {0.0, 5.0, -1e308, infinity, -infinity, nan}) {
    for (const double high : {0.0, 5.0, 1e308, infinity, nan}) {
      const auto ticks = linear_ticks(low, high, 5);
      ASSERT_GE(ticks.size(), 2u) << low << " " << high;
      for (const double tick : ticks) EXPECT_TRUE(std::isfinite(tick));
      ASSERT_GE(log_ticks(low, high, 5).size(), 2u) << low << " " << high;
    }
  }
}

TEST(Ticks, OfALogAxisArePowersOfTen) {
  EXPECT_EQ(log_ticks(1, 10000, 5), (std::vector<double>{1, 10, 100, 1000, 10000}));
  EXPECT_EQ(tick_texts(log_ticks(1, 1000, 5), Unit::number), (std::vector<std::string>{"1", "10", "100", "1000"}));
  EXPECT_EQ(log_ticks(2, 40, 5), (std::vector<double>{2, 5, 10, 20, 50}));
}

TEST(Ticks, ShareOneUnit) {
  EXPECT_EQ(tick_texts({0, 5e8, 1e9}, Unit::bytes), (std::vector<std::string>{"0 GB", "0.5 GB", "1 GB"}));
  EXPECT_EQ(tick_texts({0, 0.5, 1}, Unit::percent), (std::vector<std::string>{"0 %", "50 %", "100 %"}));
  EXPECT_EQ(tick_texts({0, 0.002}, Unit::seconds), (std::vector<std::string>{"0 ms", "2 ms"}));
}

TEST(Values, AreWrittenWithTheirUnit) {
  EXPECT_EQ(value_text(1040384, Unit::number), "1.04 M");
  EXPECT_EQ(value_text(3.2e9, Unit::bytes), "3.20 GB");
  EXPECT_EQ(value_text(0.9871, Unit::percent), "98.7 %");
  EXPECT_EQ(value_text(4.0, Unit::number), "4");
}

}  // namespace
}  // namespace octet::report
