#include "base/memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/sanitized.h"
#include "base/units.h"

namespace octet {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(5);

/// A line "key:   123 kB" of /proc/self/status or /proc/meminfo, in bytes; 0 where it is absent.
uint64_t kilobytes_of(const char* file, std::string_view key) {
  const int fd = ::open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[8192];
  const ssize_t size = ::read(fd, buffer, sizeof buffer - 1);
  ::close(fd);
  if (size <= 0) return 0;
  buffer[size] = 0;
  const std::string_view text(buffer, static_cast<size_t>(size));
  const size_t at = text.find(key);
  return at == std::string_view::npos ? 0 : std::strtoull(buffer + at + key.size(), nullptr, 10) * 1024;
}

constexpr size_t whole_pages(size_t bytes) {
  constexpr size_t kPage = 4096;
  return (bytes + kPage - 1) / kPage * kPage;
}

uint64_t cgroup_limit() {
  uint64_t limit = UINT64_MAX;
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    uint64_t value = 0;
    if (std::ifstream(file) >> value) limit = std::min(limit, value);
  }
  return limit;
}

}  // namespace

uint64_t anonymous_bytes() {
  return kilobytes_of("/proc/self/status", "RssAnon:");
}

uint64_t data_bytes() {
  if (kSanitized) return anonymous_bytes();  // a sanitizer reserves terabytes that it does not use
  return kilobytes_of("/proc/self/status", "VmData:");
}

// Reserved with what alignment takes, cut to size, and only then made writable: an allocator would keep the rest, and
// limits on data would count it.
void* allocate_pages(size_t bytes) {
  const size_t size = whole_pages(bytes);
  if (size < bytes || size > SIZE_MAX - kHugePage) return nullptr;
  void* const reserved = mmap(nullptr, size + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (reserved == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(reserved);
  const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(reserved) % kHugePage) % kHugePage;
  if (before > 0) munmap(begin, before);
  if (before < kHugePage) munmap(begin + before + size, kHugePage - before);
  std::byte* const memory = begin + before;
  if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, size);
    return nullptr;
  }
  // The tail that does not fill a huge page stays in small ones, so that nothing is resident beyond what was asked for.
  madvise(memory, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
}

void free_pages(void* memory, size_t bytes) {
  munmap(memory, whole_pages(bytes));
}

void return_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

uint64_t peak_rss_bytes() {
  return kilobytes_of("/proc/self/status", "VmHWM:");
}

uint64_t usable_memory() {
  return std::min(cgroup_limit(), kilobytes_of("/proc/meminfo", "MemTotal:"));
}

uint64_t data_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

std::string memory_taken() {
  const uint64_t data = data_limit(), most = std::min(data, usable_memory());
  const auto text = [](uint64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  return fmt::format("{} are taken, and no more than {} may be{}", text(data_bytes()), text(most),
                     most == data ? " (ulimit -d)" : "");
}

struct PeakMemory::Watch {
  std::atomic<uint64_t> peak{0};
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;
  std::thread thread;

  void look() {
    const uint64_t now = anonymous_bytes();
    uint64_t seen = peak.load();
    while (now > seen && !peak.compare_exchange_weak(seen, now)) continue;
  }

  void run() {
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, kEvery, [&] { return stop; })) look();
  }
};

PeakMemory::PeakMemory() : watch_(std::make_unique<Watch>()) {
  watch_->look();
  watch_->thread = std::thread([watch = watch_.get()] { watch->run(); });
}

PeakMemory::~PeakMemory() {
  {
    std::lock_guard lock(watch_->mutex);
    watch_->stop = true;
  }
  watch_->wake.notify_one();
  watch_->thread.join();
}

void PeakMemory::sample() {
  watch_->look();
}

uint64_t PeakMemory::peak_anonymous_bytes() {
  sample();
  return watch_->peak.load();
}

}  // namespace octet
