#include "base/progress.h"

#include <gtest/gtest.h>

#include "base/terminal.h"

namespace octet {
namespace {

ProgressState half_done() {
  return {"compressing", "B", 500'000'000, 1'000'000'000, 2.0, 250e6};
}

TEST(ProgressLine, ShowsPercentRateAndTimeLeft) {
  const std::string line = progress_line(half_done(), 79);
  EXPECT_NE(line.find("compressing"), std::string::npos) << line;
  EXPECT_NE(line.find("50 %"), std::string::npos) << line;
  EXPECT_NE(line.find("250 MB/s"), std::string::npos) << line;
  EXPECT_NE(line.find("0:02 left"), std::string::npos) << line;
}

TEST(ProgressLine, FitsAnyWidth) {
  for (int width = 1; width < 200; ++width) {
    ProgressState state = half_done();
    for (state.done = 0; state.done <= state.total; state.done += state.total / 16) {
      EXPECT_LE(display_width(progress_line(state, width)), width) << width;
    }
    state.label = "层 " + std::string(30, 'x');
    state.total = 0;
    EXPECT_LE(display_width(progress_line(state, width)), width) << width;
  }
}

TEST(ProgressLine, WithoutATotalCountsUp) {
  EXPECT_EQ(progress_line({"reading", "tokens", 12000, 0, 3.0, 4000}, 79),
            "reading  12.0 k tokens  4.00 k tokens/s  0:03");
}

TEST(ProgressLine, DoesNotPassTheEnd) {
  ProgressState state = half_done();
  state.done = state.total * 2;
  EXPECT_NE(progress_line(state, 79).find("100 %"), std::string::npos);
}

TEST(ProgressLine, EscapesItsLabel) {
  ProgressState state = half_done();
  state.label = "\x1b[31mred";
  EXPECT_EQ(progress_line(state, 79).find('\x1b'), std::string::npos);
}

TEST(Progress, OffATerminalIsSilentAndHarmless) {
  testing::internal::CaptureStderr();
  {
    Progress progress("working", 10);
    progress.advance(20);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace octet
