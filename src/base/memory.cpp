#include "base/memory.h"

#include <fcntl.h>
#include <malloc.h>
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
