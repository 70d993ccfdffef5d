#include "compress/activations.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/escape.h"
#include "kernels/convert/convert.h"

namespace octet {
namespace {

// All of the bytes, or Error.
template <typename Transfer>
void whole(const Transfer& transfer, size_t size, int64_t offset, const std::filesystem::path& path, const char* what) {
  for (size_t done = 0; done < size;) {
    const ssize_t moved = transfer(done, size - done, offset + static_cast<int64_t>(done));
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) {
      fail("{}: activations cannot be {}: {}", printable(path.string()), what,
           moved < 0 ? std::strerror(errno) : "the file ends early");
    }
    done += static_cast<size_t>(moved);
  }
}

}  // namespace

Activations::Activations(int64_t rows, int64_t width, const std::filesystem::path& spill)
    : width_(width), path_(spill) {
  if (spill.empty()) {
    memory_.resize(static_cast<size_t>(rows * width));
    return;
  }
  fd_ = open(spill.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) fail("{}: cannot be made: {}", printable(spill.string()), std::strerror(errno));
  const int reason = posix_fallocate(fd_, 0, bytes(rows, width));  // now, not after hours
  if (reason != 0 && reason != EOPNOTSUPP && reason != EINVAL) {
    close(fd_);
    unlink(spill.c_str());
    fail("{}: activations need {} bytes there: {}; give --ram more, or another disk", printable(spill.string()),
         bytes(rows, width), std::strerror(reason));
  }
}

Activations::~Activations() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(path_.c_str());
}

Tensor Activations::read(int64_t begin, int64_t count, Threads& threads) const {
  Tensor x({count, width_});
  const int64_t elements = count * width_;
  std::vector<uint16_t> read;
  const uint16_t* from = memory_.data() + begin * width_;
  if (fd_ >= 0) {
    read.resize(static_cast<size_t>(elements));
    auto* const bytes = reinterpret_cast<char*>(read.data());
    whole([&](size_t at, size_t size, int64_t offset) { return pread(fd_, bytes + at, size, offset); }, read.size() * 2,
          begin * width_ * 2, path_, "read");
    from = read.data();
  }
  threads.for_range(elements, int64_t{1} << 16, [&](int64_t first, int64_t last) {
    kernels::to_float(Format::BF16, from + first, last - first, x.f32() + first);
  });
  return x;
}

void Activations::write(int64_t begin, const Tensor& x) {
  if (fd_ < 0) return kernels::to_bf16(x.f32(), x.elements(), memory_.data() + begin * width_);
  std::vector<uint16_t> rounded(static_cast<size_t>(x.elements()));
  kernels::to_bf16(x.f32(), x.elements(), rounded.data());
  const auto* const bytes = reinterpret_cast<const char*>(rounded.data());
  whole([&](size_t at, size_t size, int64_t offset) { return pwrite(fd_, bytes + at, size, offset); },
        rounded.size() * 2, begin * width_ * 2, path_, "written");
}

}  // namespace octet
