#include "tensor/storage.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace octet {
namespace {

constexpr size_t kBytes = size_t{5} << 20;

void* fill(const std::shared_ptr<const void>& storage, size_t bytes) {
  void* memory = const_cast<void*>(storage.get());
  std::memset(memory, 1, bytes);
  return memory;
}

TEST(Storage, IsAligned) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{64}, size_t{1000}, kBytes}) {
    const auto storage = allocate_storage(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(fill(storage, bytes)) % 64, 0u);
  }
}

TEST(Storage, LargeBlocksAreUsedAgainWhileReuseLives) {
  const StorageReuse reuse;
  void* const first = fill(allocate_storage(kBytes), kBytes);
  const auto smaller = allocate_storage(kBytes - kBytes / 8);
  EXPECT_EQ(smaller.get(), first);
  const auto another = allocate_storage(kBytes);
  EXPECT_NE(another.get(), first) << "a block in use was given away";
}

TEST(Storage, ABlockMuchTooLargeIsNotTaken) {
  const StorageReuse reuse;
  void* const first = fill(allocate_storage(4 * kBytes), kBytes);
  const auto small = allocate_storage(kBytes);
  EXPECT_NE(small.get(), first);
}

TEST(Storage, BlocksMayOutliveReuse) {
  std::shared_ptr<const void> storage;
  {
    const StorageReuse reuse;
    storage = allocate_storage(kBytes);
  }
  fill(storage, kBytes);  // the address sanitizer says if it was freed
}

}  // namespace
}  // namespace octet
