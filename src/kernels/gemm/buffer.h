#pragma once
#include <cstddef>

namespace octet::kernels {

/// Raw memory, 64-byte aligned, not initialised. From 2 MiB up it asks the system for huge pages: streaming a weight
/// then misses the translation buffer 512 times less often.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) { grow(bytes); }
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  /// At least `bytes`; what was there is lost where it has to grow. Throws Error when memory is out.
  void grow(size_t bytes);
  size_t bytes() const { return bytes_; }
  std::byte* data() const { return data_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void release();
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace octet::kernels
