#include "base/edit_distance.h"

#include <gtest/gtest.h>

#include <string>

namespace octet {
namespace {

TEST(EditDistance, CountsInsertedRemovedAndReplacedLetters) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("hiden_act", "hidden_act"), 1u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(EditDistance, FindsTheClosestNameIfOneIsClose) {
  const std::string_view names[] = {"hidden_size", "hidden_act", "vocab_size"};
  EXPECT_EQ(closest("hiden_act", names), "hidden_act");
  EXPECT_EQ(closest("hiddensize", names), "hidden_size");
  EXPECT_EQ(closest("zzz", names), "");
  EXPECT_EQ(closest(std::string(1'000'000, 'h'), names), "");
}

}  // namespace
}  // namespace octet
