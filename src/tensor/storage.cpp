#include "tensor/storage.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include "base/memory.h"

namespace octet {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kLarge = size_t{256} << 10;  // from here on, a block is worth keeping

constexpr size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

void* allocate(size_t bytes) {
  void* memory = bytes >= kHugePage ? allocate_pages(bytes) : std::aligned_alloc(kLine, bytes);
  if (!memory) throw std::bad_alloc();
  return memory;
}

void release(void* memory, size_t bytes) {
  bytes >= kHugePage ? free_pages(memory, bytes) : std::free(memory);
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
      if (users_ > 0 && bytes_ + bytes <= limit_) {
        blocks_.emplace(bytes, memory);
        bytes_ += bytes;
        return;
      }
    }
    release(memory, bytes);
  }

  void add_user() {
    const std::lock_guard lock(mutex_);
    ++users_;
  }

  void remove_user() {
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) clear();
  }

  size_t limit(size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes_ > bytes) clear();
    return std::exchange(limit_, bytes);
  }

 private:
  void clear() {
    for (const auto& [bytes, memory] : blocks_) release(memory, bytes);
    blocks_.clear();
    bytes_ = 0;
  }

  std::mutex mutex_;
  std::multimap<size_t, void*> blocks_;
  size_t bytes_ = 0, limit_ = StorageReuse::kKeptBytes;
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

size_t StorageReuse::limit(size_t bytes) {
  return kept().limit(bytes);
}

}  // namespace octet
