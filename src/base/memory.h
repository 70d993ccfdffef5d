#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace octet {

/// Anonymous memory of this process now, in bytes: what it allocated, not the files it maps (RssAnon of
/// /proc/self/status).
uint64_t anonymous_bytes();

/// Gives memory that was freed back to the system, where the allocator still holds it.
void return_freed_memory();

/// What a limit on data counts of this process now (ulimit -d; VmData of /proc/self/status): private memory that may be
/// written, whether it was or not, thread stacks among it, in bytes.
uint64_t data_bytes();

/// A block of whole pages, aligned to and where possible made of huge pages, that takes no more of the address space
/// than it needs: for blocks of a huge page and more. nullptr when memory is out. Freed by free_pages() only.
void* allocate_pages(size_t bytes);
void free_pages(void* memory, size_t bytes);
constexpr size_t kHugePage = size_t{2} << 20;

/// The largest resident set so far, mapped files among it (VmHWM).
uint64_t peak_rss_bytes();

/// Memory this process may take: the smallest limit of its cgroup and the machine's memory, in bytes.
uint64_t usable_memory();

/// What a limit on data leaves this process at most (ulimit -d), in bytes; UINT64_MAX: there is none.
uint64_t data_limit();

/// "121 MB are taken, and no more than 124 MB may be (ulimit -d)", for errors.
std::string memory_taken();

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
