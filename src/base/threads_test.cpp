#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace octet {
namespace {

TEST(Threads, DoEveryPieceOnceForAnyCountAndGrain) {
  for (const int count : {1, 2, 3, 8}) {
    Threads threads(count);
    EXPECT_EQ(threads.count(), count);
    for (const int64_t grain : {1, 3, 64, 1000}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> done(500);
        threads.for_range(500, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++done[static_cast<size_t>(i)];
        });
        for (const auto& times : done) ASSERT_EQ(times, 1);
      }
    }
  }
}

TEST(Threads, ShareTheWork) {
  Threads threads(2);
  std::atomic<int> arrived{0};
  // Each piece waits for the other: one thread alone would never end.
  threads.for_range(2, 1, [&](int64_t, int64_t) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 2);
}

TEST(Threads, HandOnTheFirstExceptionAndWorkOn) {
  Threads threads(3);
  EXPECT_THROW(threads.for_range(100, 1,
                                 [](int64_t i, int64_t) {
                                   if (i == 40) throw std::runtime_error("forty");
                                 }),
               std::runtime_error);
  std::atomic<int64_t> sum{0};
  threads.for_range(100, 1, [&](int64_t begin, int64_t) { sum += begin; });
  EXPECT_EQ(sum, 4950);
}

TEST(Threads, RunInPlaceInsideABody) {
  Threads threads(2);
  std::atomic<int> inner{0};
  threads.for_range(4, 1, [&](int64_t, int64_t) {
    threads.for_range(5, 1, [&](int64_t begin, int64_t end) { inner += end - begin; });
  });
  EXPECT_EQ(inner, 20);
}

TEST(Threads, AreFoundAgainAfterTheyFellAsleep) {
  Threads threads(4);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> arrived{0};
    threads.for_range(4, 1, [&](int64_t, int64_t) {
      ++arrived;
      while (arrived < 4) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 4);
  }
}

TEST(UsableCores, AreAtLeastOne) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace
}  // namespace octet
