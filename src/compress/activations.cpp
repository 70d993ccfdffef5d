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

Activations::Activations(int64_t rows, int64_t width, const std::filesystem::path& spill, Format format)
    : width_(width), format_(format), path_(spill) {
  const int64_t size = bytes(rows, width, format);
  if (spill.empty()) {
    memory_.resize(static_cast<size_t>(size));
    return;
  }
  fd_ = open(spill.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) fail("{}: cannot be made: {}", printable(spill.string()), std::strerror(errno));
  const int reason = posix_fallocate(fd_, 0, size);  // now, not after hours
  unlink(spill.c_str());                             // it goes with the process, however that ends
  if (reason != 0 && reason != EOPNOTSUPP && reason != EINVAL) {
    close(fd_);
    fail("{}: activations need {} bytes there: {}; give --ram more, or another disk", printable(spill.string()), size,
         std::strerror(reason));
  }
}

Activations::~Activations() {
  if (fd_ >= 0) close(fd_);
}

Tensor Activations::read(int64_t begin, int64_t count, Threads& threads) const {
  Tensor x({count, width_});
  const auto size = static_cast<size_t>(bytes(count, width_, format_));
  const int64_t offset = bytes(begin, width_, format_);
  const bool whole_numbers = format_ == Format::F32;
  std::vector<std::byte> buffer;
  const std::byte* from = memory_.data() + offset;
  if (fd_ >= 0) {
    if (!whole_numbers) buffer.resize(size);
    auto* const into = reinterpret_cast<char*>(whole_numbers ? x.raw() : buffer.data());
    whole([&](size_t at, size_t part, int64_t place) { return pread(fd_, into + at, part, place); }, size, offset,
          path_, "read");
    if (whole_numbers) return x;
    from = buffer.data();
  }
  threads.for_range(x.elements(), int64_t{1} << 16, [&](int64_t first, int64_t last) {
    kernels::to_float(format_, from + bytes(first, 1, format_), last - first, x.f32() + first);
  });
  return x;
}

void Activations::write(int64_t begin, const Tensor& x) {
  const int64_t offset = bytes(begin, width_, format_);
  if (fd_ < 0) return narrow(x, memory_.data() + offset);
  const auto size = static_cast<size_t>(bytes(x.size(0), width_, format_));
  std::vector<std::byte> buffer(format_ == Format::F32 ? 0 : size);
  if (!buffer.empty()) narrow(x, buffer.data());
  const auto* const from = reinterpret_cast<const char*>(buffer.empty() ? x.raw() : buffer.data());
  whole([&](size_t at, size_t part, int64_t place) { return pwrite(fd_, from + at, part, place); }, size, offset, path_,
        "written");
}

void Activations::narrow(const Tensor& x, std::byte* out) const {
  if (format_ == Format::F32)
    std::memcpy(out, x.raw(), static_cast<size_t>(x.bytes()));
  else
    kernels::to_bf16(x.f32(), x.elements(), reinterpret_cast<uint16_t*>(out));
}

}  // namespace octet
