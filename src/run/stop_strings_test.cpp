#include "run/stop_strings.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

TEST(StopStrings, HoldsBackABeginningUntilItIsDecided) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.pass("one E"), "one ");
  EXPECT_EQ(stop.pass("N"), "");
  EXPECT_EQ(stop.pass("X two"), "ENX two");
  EXPECT_FALSE(stop.found());
}

TEST(StopStrings, EndsTheTextBeforeTheFirstOne) {
  StopStrings stop({"\n\n", "END"});
  EXPECT_EQ(stop.pass("one EN"), "one ");
  EXPECT_EQ(stop.pass("D two\n\n"), "");
  EXPECT_TRUE(stop.found());
  EXPECT_EQ(stop.pass("three"), "");
  EXPECT_EQ(stop.rest(), "");
}

TEST(StopStrings, GivesWhatWasHeldAtTheEnd) {
  StopStrings stop({"END"});
  EXPECT_EQ(stop.pass("E"), "");
  EXPECT_EQ(stop.rest(), "E");
}

TEST(StopStrings, PassesEverythingWithoutAny) {
  StopStrings stop({});
  EXPECT_EQ(stop.pass("text"), "text");
  StopStrings empty({""});
  EXPECT_EQ(empty.pass("text"), "text");
}

}  // namespace
}  // namespace octet
