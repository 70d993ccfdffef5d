#include "train/processes.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/errors_for_tests.h"
#include "train/processes_for_tests.h"

namespace octet::train {
namespace {

TEST(Processes, SlicesCoverEveryNumberOnce) {
  for (const int count : {1, 2, 3, 7}) {
    for (const int64_t n : {0, 1, 2, 6, 7, 100}) {
      const Slices slices{n, count};
      int64_t end = 0;
      for (int rank = 0; rank < count; ++rank) {
        EXPECT_EQ(slices.begin(rank), end);
        end += slices.size(rank);
        EXPECT_LE(slices.size(rank), n / count + 1);
      }
      EXPECT_EQ(end, n);
    }
  }
}

TEST(Processes, ExchangeSlicesAndGatherThem) {
  constexpr int64_t kSize = 11;
  in_processes(3, [&](Processes& processes) {
    const Slices slices{kSize, processes.count()};
    std::vector<int32_t> mine(kSize);
    std::iota(mine.begin(), mine.end(), 100 * processes.rank());
    const auto own = static_cast<size_t>(slices.size(processes.rank()));
    std::vector<int32_t> theirs(own * 3);
    processes.exchange(mine.data(), slices, sizeof(int32_t), theirs.data());
    for (size_t other = 0; other < 3; ++other) {
      for (size_t i = 0; i < own; ++i) {
        EXPECT_EQ(theirs[other * own + i], static_cast<int32_t>(100 * other + i) + slices.begin(processes.rank()));
      }
    }
    const std::vector<double> two = {processes.rank() + 0.5, -1};
    EXPECT_EQ(processes.gathered(std::span<const double>(two)), (std::vector<double>{0.5, -1, 1.5, -1, 2.5, -1}));
  });
}

TEST(Processes, ASingleOneNeedsNobody) {
  const auto alone = join_processes();
  EXPECT_EQ(alone->count(), 1);
  EXPECT_TRUE(alone->first());
  const std::vector<int> mine = {3, 4};
  EXPECT_EQ(alone->gathered(std::span<const int>(mine)), mine);
  alone->check_agreement("a", "recipe");
}

TEST(Processes, NoticeThatOneOfThemSeesSomethingElse) {
  in_processes(2, [](Processes& processes) { processes.check_agreement("same", "recipe"); });
  expect_error([] { in_processes(3, [](Processes& p) { p.check_agreement(p.rank() == 2 ? "b" : "a", "recipe"); }); },
               {"process 2 has another recipe"});
}

}  // namespace
}  // namespace octet::train
