#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/escape.h"
#include "base/output.h"

namespace octet {
namespace {

constexpr size_t kBuffer = size_t{1} << 20;
constexpr size_t kMostAtOnce = size_t{1} << 30;

[[noreturn]] void fail_to_write(const std::filesystem::path& path, int reason) {
  const std::string file = printable(path.string());
  if (reason == ENOSPC) fail("{}: cannot be written: no space left on the device; free some or write elsewhere", file);
  if (reason == EDQUOT) fail("{}: cannot be written: the disk quota is used up", file);
  if (reason == EFBIG) fail("{}: cannot be written: it grows beyond the file size that is allowed here", file);
  fail("{}: cannot be written: {}", file, std::strerror(reason));
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail_to_write(path_, errno);
  buffer_ = std::make_unique_for_overwrite<std::byte[]>(kBuffer);  // small files take as many pages as they fill
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  struct stat status {};
  const bool regular = fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
  ::close(fd_);
  if (regular) unlink(path_.c_str());
}

void OutputFile::reserve(uint64_t bytes) {
  if (bytes == 0 || bytes > INT64_MAX) return;
  // Without the C library's fallback, which would write the zeros itself.
  if (fallocate(fd_, 0, 0, static_cast<off_t>(bytes)) == 0) return;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) fail_to_write(path_, errno);
}

void OutputFile::write(const void* bytes, size_t size) {
  const auto* from = static_cast<const std::byte*>(bytes);
  written_ += size;
  if (size >= kBuffer) {
    flush();
    return put(from, size);
  }
  if (buffered_ + size > kBuffer) flush();
  if (size > 0) std::memcpy(buffer_.get() + buffered_, from, size);
  buffered_ += size;
}

void OutputFile::flush() {
  put(buffer_.get(), buffered_);
  buffered_ = 0;
}

void OutputFile::put(const std::byte* bytes, size_t size) {
  while (size > 0) {
    const ssize_t done = ::write(fd_, bytes, std::min(size, kMostAtOnce));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_to_write(path_, errno);
    bytes += done;
    size -= static_cast<size_t>(done);
  }
}

void OutputFile::close(bool sync) {
  flush();
  // EINVAL, EROFS: a pipe or a terminal has nothing to sync.
  if (sync && fsync(fd_) != 0 && errno != EINVAL && errno != EROFS) fail_to_write(path_, errno);
  if (::close(std::exchange(fd_, -1)) != 0 && errno != EINTR) {
    const int reason = errno;
    unlink(path_.c_str());
    fail_to_write(path_, reason);
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::is_directory(status)) fail("{}: is a directory, not a file", printable(path.string()));
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    OutputFile file(path);
    file.write(text);
    return file.close();
  }
  // Through a symbolic link to what it names, so that the link stays one.
  const auto real = std::filesystem::exists(status) ? std::filesystem::canonical(path) : path;
  auto part = real;
  part += fmt::format(".{}.part", getpid());
  OutputFile file(part);
  file.write(text);
  file.close();
  if (rename(part.c_str(), real.c_str()) == 0) return;
  const int reason = errno;
  unlink(part.c_str());
  fail_to_write(path, reason);
}

}  // namespace octet
