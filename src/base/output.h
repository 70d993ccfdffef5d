#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace octet {

/// A file written front to back through a buffer. Every failure is an Error naming the file and the reason: no space
/// left, too large, not allowed. A file that is not closed with close() is removed.
class OutputFile {
 public:
  /// Creates the file, or empties the one that is there.
  explicit OutputFile(std::filesystem::path path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Asks for the space before the work is done, where the file system can.
  void reserve(uint64_t bytes);
  void write(const void* bytes, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// `sync`: returns when the bytes are on the disk.
  void close(bool sync = true);

  const std::filesystem::path& path() const { return path_; }
  uint64_t written() const { return written_; }

 private:
  void flush();
  void put(const std::byte* bytes, size_t size);
  std::filesystem::path path_;
  int fd_ = -1;
  std::unique_ptr<std::byte[]> buffer_;
  size_t buffered_ = 0;
  uint64_t written_ = 0;
};

/// Writes beside `path` and renames: whoever reads sees the old text or the new one, whole. What is there already and
/// is not a regular file (a terminal, a pipe) is written to directly.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// Whether a directory of unfinished work, or one below it, holds parts that are finished: NAME with NAME.sha256
/// beside.
bool has_finished_parts(const std::filesystem::path& directory);

/// Throws Error where something is at `path` that an OutputDirectory would not replace even if it may.
void check_replaceable(const std::filesystem::path& path);

/// A directory that appears whole or not at all: made as OUT.part beside its target OUT, synced and renamed by
/// commit(), removed if it is destroyed before. What a killed run left in OUT.part is cleared; two runs at once are
/// refused.
class OutputDirectory {
 public:
  /// Throws Error if `target` exists and `force` is false, or if it exists and is not a model directory (nothing else
  /// is ever replaced), or if another run writes there.
  /// `resumable`: what stands in work() outlives a run that did not commit.
  explicit OutputDirectory(const std::filesystem::path& target, bool force = false, bool resumable = false);
  ~OutputDirectory();
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;

  /// OUT.part, where the files are written.
  const std::filesystem::path& path() const { return part_; }
  const std::filesystem::path& target() const { return target_; }
  /// Whether what a run before had finished in OUT.part/work was removed, as this one is not resumable.
  bool removed_work() const { return removed_work_; }
  /// OUT.part/work, which commit() removes; empty where the run is not resumable.
  std::filesystem::path work() const;

  /// Syncs every file, then lets the directory take its name. With force the one before is swapped out in the same
  /// instant and removed.
  void commit();

  /// Removes the part directories of all objects that live; later commits throw. For the thread that handles Ctrl-C.
  /// Returns those that stay because work() holds parts that are finished: whole, with a file NAME.sha256 beside them.
  static std::vector<std::filesystem::path> remove_all_pending();
  /// Whether any of them lives.
  static bool any_pending();

 private:
  void lock_part();
  static bool abandon(const std::filesystem::path& part);
  std::filesystem::path target_, part_;
  bool force_, resumable_, pending_ = false, removed_work_ = false;
  int lock_ = -1;
};

}  // namespace octet
