#include "report/text_table.h"

#include <gtest/gtest.h>

namespace octet::report {

TEST(TextTable, AlignsNumbersToTheRightAndWordsToTheLeft) {
  TextTable table({"model", "size"});
  table.add({"stories", "1.04 MB"});
  table.add({"层", "520 kB"});
  EXPECT_EQ(table.text(Paint(-1)),
            "model       size\n"
            "stories  1.04 MB\n"
            "层        520 kB\n");
}

TEST(TextTable, TakesShortAndLongRowsAndHarmfulCells) {
  TextTable table({"a", "b"});
  table.add({"x"});
  table.add({"\x1b[31m", "1", "left out"});
  EXPECT_EQ(table.text(Paint(-1)), "a         b\nx\n\\x1b[31m  1\n");
}

TEST(TextTable, TakesAHundredThousandRows) {
  TextTable table({"name", "size"});
  for (int row = 0; row < 100000; ++row) table.add({"t", "1"});
  EXPECT_EQ(table.text(Paint(-1)).size(), 100001u * 11);  // within the time a test may take
}

}  // namespace octet::report
