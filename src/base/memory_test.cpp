#include "base/memory.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/errors_for_tests.h"

namespace octet {
namespace {

constexpr size_t kMegabytes = 64;

void touch_for(std::chrono::milliseconds time) {
  char* block = static_cast<char*>(std::malloc(kMegabytes << 20));
  ASSERT_NE(block, nullptr);
  std::memset(block, 1, kMegabytes << 20);
  asm volatile("" : : "r"(block) : "memory");
  std::this_thread::sleep_for(time);
  std::free(block);
}

TEST(PeakMemory, SeesWhatWasTakenAndGivenBack) {
  PeakMemory memory;
  const uint64_t before = anonymous_bytes();
  touch_for(std::chrono::milliseconds(60));
  EXPECT_GE(memory.peak_anonymous_bytes(), before + (kMegabytes << 20) * 9 / 10);
}

TEST(Pages, TakeOfALimitOnDataWhatTheyHold) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take memory of their own";
  const size_t size = 3 * kHugePage + 100;
  const uint64_t before = data_bytes();
  void* const pages = allocate_pages(size);
  ASSERT_NE(pages, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pages) % kHugePage, 0u);
  EXPECT_LE(data_bytes() - before, size + 4096);
  EXPECT_GE(data_bytes() - before, size);
  std::memset(pages, 1, size);
  free_pages(pages, size);
  EXPECT_LE(data_bytes(), before + 4096);
}

TEST(PeakMemory, TheResidentSetHoldsTheAnonymousOne) {
  EXPECT_GT(anonymous_bytes(), 0u);
  EXPECT_GE(peak_rss_bytes() + (8u << 20), anonymous_bytes());
  EXPECT_GT(usable_memory(), 1u << 20);
}

}  // namespace
}  // namespace octet
