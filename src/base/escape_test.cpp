#include "base/escape.h"

#include <gtest/gtest.h>

namespace octet {
namespace {

TEST(Printable, LeavesOrdinaryTextOfAnyScript) {
  for (const char* text : {"", "model.layers.0", "C:\\x \"quoted\"", "é漢字👍", "ключ"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, EscapesWhatMovesTheCursor) {
  EXPECT_EQ(printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(printable("a\r\n\tb\x7f"), "a\\r\\n\\tb\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\u009b");  // CSI as one character
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, EscapesWhatTurnsTheWritingDirectionOrIsNotSeen) {
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\u202e");
  EXPECT_EQ(printable("\xe2\x81\xa6"), "\\u2066");
  EXPECT_EQ(printable("\xe2\x80\x8b"), "\\u200b");
  EXPECT_EQ(printable("\xe2\x80\xa8"), "\\u2028");
  EXPECT_EQ(printable("\xf3\xa0\x81\x81"), "\\U000e0041");
}

TEST(Printable, EscapesEveryByteThatIsNotUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");                    // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(printable("\xe6\xbc"), "\\xe6\\xbc");                    // cut short
}

TEST(Printable, CutsALongNameBetweenCharacters) {
  EXPECT_EQ(printable("漢漢漢漢", 6), "漢漢…");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abcd", 3), "abc…");
}

TEST(HtmlEscape, LeavesNoWayOutOfAnElementOrAttribute) {
  EXPECT_EQ(html_escape("<script a='b' c=\"d\">&"), "&lt;script a=&#39;b&#39; c=&quot;d&quot;&gt;&amp;");
  EXPECT_EQ(html_escape("two\nlines\t漢\x01\xff"), "two\nlines\t漢\\x01\\xff");
}

TEST(WithCommas, GroupsDigitsByThree) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(5767168), "5,767,168");
  EXPECT_EQ(with_commas(UINT64_MAX), "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace octet
