#pragma once
#include <filesystem>

namespace octet {

/// Keeps a second run out of a directory that is written to as the work goes on: holds DIRECTORY/.lock, which the
/// system lets go of when the program ends, however it ends.
class FileLock {
 public:
  /// Throws Error where another run holds it, or it cannot be made.
  explicit FileLock(const std::filesystem::path& directory);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int file_;
};

}  // namespace octet
