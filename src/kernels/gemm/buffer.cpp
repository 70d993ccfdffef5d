#include "kernels/gemm/buffer.h"

#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/memory.h"

namespace octet::kernels {

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Buffer::release() {
  bytes_ >= kHugePage ? free_pages(data_, bytes_) : std::free(data_);
  data_ = nullptr;
  bytes_ = 0;
}

void Buffer::grow(size_t bytes) {
  if (bytes <= bytes_) return;
  release();
  if (bytes > SIZE_MAX - 63) fail("a buffer of {} bytes cannot be", bytes);
  const size_t rounded = (bytes + 63) / 64 * 64;
  void* const memory = rounded >= kHugePage ? allocate_pages(rounded) : std::aligned_alloc(64, rounded);
  if (!memory) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(memory);
  bytes_ = rounded;
}

}  // namespace octet::kernels
