#include "base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/escape.h"

namespace octet {

FileLock::FileLock(const std::filesystem::path& directory) {
  const std::string name = (directory / ".lock").string();
  file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file_ < 0) fail("{}: cannot be written: {}", printable(name), std::strerror(errno));
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(file_);
  fail("{}: another run of octet is writing there; wait for it, or give another name", printable(directory.string()));
}

FileLock::~FileLock() {
  ::close(file_);
}

}  // namespace octet
