#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace octet {

/// A regular file mapped read-only. Throws Error if it is not there, not readable or not a regular file.
/// A file cut short while mapped raises SIGBUS: cli installs a handler that says so and exits.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  /// Lets the kernel take back the pages of [begin, begin + size): they count as ours until then.
  void drop(size_t begin, size_t size) const;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace octet
