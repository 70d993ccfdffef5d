#include "base/progress.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <chrono>
#include <thread>

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

/// Standard error on a pseudo-terminal of 60 columns while the object lives.
class TerminalForStderr {
 public:
  TerminalForStderr() {
    winsize size{24, 60, 0, 0};
    EXPECT_EQ(openpty(&master_, &slave_, nullptr, nullptr, &size), 0);
    saved_ = dup(STDERR_FILENO);
    dup2(slave_, STDERR_FILENO);
  }
  /// Ends it, and gives what was shown.
  std::string shown() {
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    close(slave_);
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(master_, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<size_t>(got));
    close(master_);
    return text;
  }

 private:
  int master_ = -1, slave_ = -1, saved_ = -1;
};

TEST(Progress, OnATerminalIsShownAfterASecondAndClearedAtTheEnd) {
  TerminalForStderr terminal;
  {
    Progress progress("working", 100, "layers");
    for (int i = 0; i < 13; ++i) {
      progress.advance(5);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    print_notice("a warning");
  }
  const std::string text = terminal.shown();
  EXPECT_NE(text.find("working"), std::string::npos);
  EXPECT_NE(text.find("layers/s"), std::string::npos);
  EXPECT_NE(text.find("left"), std::string::npos);
  EXPECT_NE(text.find("\r\x1b[Ka warning\r\n"), std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 4), "\r\x1b[K");
}

TEST(Progress, OfWhatIsDoneForTheSakeOfAnotherIsShownAlone) {
  TerminalForStderr terminal;
  {
    Progress whole("the whole", 100);
    Progress part("a part", 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  }
  const std::string text = terminal.shown();
  EXPECT_NE(text.find("a part"), std::string::npos);
  EXPECT_EQ(text.find("the whole"), std::string::npos);
}

TEST(Progress, OfShortWorkIsNeverShown) {
  TerminalForStderr terminal;
  {
    Progress progress("working", 2);
    progress.advance();
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
  EXPECT_EQ(terminal.shown(), "");
}

}  // namespace
}  // namespace octet
