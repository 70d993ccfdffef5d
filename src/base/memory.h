#pragma once
#include <cstdint>
#include <memory>

namespace octet {

/// Anonymous memory of this process now, in bytes: what it allocated, not the files it maps (RssAnon of
/// /proc/self/status).
uint64_t anonymous_bytes();

/// Gives memory that was freed back to the system, where the allocator still holds it.
void return_freed_memory();

/// The largest resident set so far, mapped files among it (VmHWM).
uint64_t peak_rss_bytes();

/// Memory this process may take: the smallest limit of its cgroup and the machine's memory, in bytes.
uint64_t usable_memory();

/// Watches anonymous memory while it lives: a thread looks every 5 ms, sample() at once.
class PeakMemory {
 public:
  PeakMemory();
  ~PeakMemory();
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;

  void sample();
  /// The peak since construction.
  uint64_t peak_anonymous_bytes();

 private:
  struct Watch;
  std::unique_ptr<Watch> watch_;
};

}  // namespace octet
