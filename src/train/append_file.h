#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace octet::train {

/// A file that grows at its end. Each append is handed to the system at once, so what was appended survives the
/// program; throws Error naming the file and the reason (no space left) where it cannot be.
class AppendFile {
 public:
  /// Creates the file where it is not there.
  explicit AppendFile(std::filesystem::path path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  void append(std::string_view bytes);
  /// Cuts the file off behind its first `size` bytes.
  void truncate(uint64_t size);

 private:
  [[noreturn]] void fail_to_write(int reason) const;
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace octet::train
