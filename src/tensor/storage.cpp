#include "tensor/storage.h"

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace octet {
namespace {

constexpr size_t kLine = 64, kHugePage = size_t{2} << 20;
constexpr size_t kLarge = size_t{256} << 10;  // from here on, a block is worth keeping

constexpr size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

void* allocate(size_t bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
  if (bytes >= kHugePage) madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
}

/// Freed blocks by their size.
class Kept {
 public:
  /// A block of at least `bytes`, and not much more; nullptr: there is none.
  void* take(size_t bytes, size_t& block_bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.lower_bound(bytes);
    if (found == blocks_.end() || found->first > bytes + bytes / 2) return nullptr;
    void* const memory = found->second;
    block_bytes = found->first;
    bytes_ -= block_bytes;
    blocks_.erase(found);
    return memory;
  }

  void put(void* memory, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (users_ > 0 && bytes_ + bytes <= StorageReuse::kKeptBytes) {
        blocks_.emplace(bytes, memory);
        bytes_ += bytes;
        return;
      }
    }
    std::free(memory);
  }

  void add_user() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }

  void remove_user() {
    const std::lock_guard lock(mutex_);
    if (--users_ > 0) return;
    for (const auto& [bytes, memory] : blocks_) std::free(memory);
    blocks_.clear();
    bytes_ = 0;
  }

 private:
  std::mutex mutex_;
  std::multimap<size_t, void*> blocks_;
  size_t bytes_ = 0;
  int users_ = 0;
};

Kept& kept() {
  static Kept* const blocks = new Kept;  // outlives every tensor
  return *blocks;
}

}  // namespace

std::shared_ptr<const void> allocate_storage(size_t bytes) {
  size_t size = round_up(bytes + 1, kLine);
  if (size < kLarge) {
    return {allocate(size), [](const void* memory) { std::free(const_cast<void*>(memory)); }};
  }
  void* memory = kept().take(size, size);
  if (!memory) memory = allocate(size);
  return {memory, [size](const void* freed) { kept().put(const_cast<void*>(freed), size); }};
}

StorageReuse::StorageReuse() {
  kept().add_user();
}
StorageReuse::~StorageReuse() {
  kept().remove_user();
}

}  // namespace octet
