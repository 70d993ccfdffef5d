#include "kernels/gemm/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <utility>

#include "base/error.h"

namespace octet::kernels {

constexpr size_t kHugePage = size_t{2} << 20;

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Buffer::release() {
  std::free(data_);
  data_ = nullptr;
  bytes_ = 0;
}

void Buffer::grow(size_t bytes) {
  if (bytes <= bytes_) return;
  release();
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  if (bytes > SIZE_MAX - alignment) fail("a buffer of {} bytes cannot be", bytes);
  const size_t rounded = (bytes + 63) / 64 * 64;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, rounded) != 0) {
    fail("out of memory: {} bytes for a packed weight or its input; use a smaller model or batch", bytes);
  }
  // The tail that does not fill a huge page stays in small ones, so that nothing is resident beyond what was asked for.
  if (rounded >= kHugePage) madvise(memory, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  data_ = static_cast<std::byte*>(memory);
  bytes_ = rounded;
}

}  // namespace octet::kernels
