#include "base/file_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/deferred_end.h"
#include "base/errors_for_tests.h"

namespace octet {
namespace {

TEST(FileLock, KeepsASecondRunOutAsLongAsItLives) {
  const auto directory = std::filesystem::temp_directory_path() / ("octet-lock-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  {
    const FileLock lock(directory);
    expect_error([&] { FileLock second(directory); }, {"another run"});
  }
  const FileLock again(directory);
  std::filesystem::remove_all(directory);
}

TEST(DeferredEnd, IsLookedForOnceWhileItLives) {
  EXPECT_FALSE(DeferredEnd::defer(2));
  {
    const DeferredEnd deferred;
    EXPECT_EQ(DeferredEnd::signal(), 0);
    EXPECT_TRUE(DeferredEnd::defer(2));
    EXPECT_FALSE(DeferredEnd::defer(15));  // the second ends at once
    EXPECT_EQ(DeferredEnd::signal(), 2);
  }
  EXPECT_FALSE(DeferredEnd::defer(2));
}

}  // namespace
}  // namespace octet
