#include "files/safetensors.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/output.h"
#include "files/safetensors_header.h"

namespace octet {

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(std::make_shared<MappedFile>(path)) {
  SafetensorsHeader header = parse_safetensors_header(file_->bytes(), printable(path.string()));
  tensors_ = std::move(header.tensors);
  metadata_ = std::move(header.metadata);
  data_begin_ = static_cast<int64_t>(header.data_begin);
  file_->drop(0, header.data_begin);
}

Tensor SafetensorsFile::view(const TensorInfo& info) const {
  return aligned(info.shape, info.dtype, bytes(info).data());
}

Tensor SafetensorsFile::rows(const TensorInfo& info, int64_t begin, int64_t count) const {
  Shape shape = info.shape;
  if (shape.empty() || begin < 0 || count < 0 || begin > shape[0] - count) {
    fail("{}: tensor {} has no rows {} to {}", printable(path().string()), printable(info.name, 200), begin,
         begin + count);
  }
  const int64_t row_bytes = shape[0] == 0 ? 0 : info.bytes / shape[0];
  shape[0] = count;
  return aligned(std::move(shape), info.dtype, bytes(info).data() + begin * row_bytes);
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorInfo& info) const {
  return file_->bytes().subspan(static_cast<size_t>(data_begin_ + info.offset), static_cast<size_t>(info.bytes));
}

Tensor SafetensorsFile::aligned(Shape shape, DType dtype, const std::byte* bytes) const {
  if (reinterpret_cast<uintptr_t>(bytes) % static_cast<size_t>(bytes_of(dtype)) == 0) {
    return Tensor::view(std::move(shape), dtype, bytes, file_);
  }
  // A header or a tensor of any length before it may leave it at an odd address, which only a copy mends.
  Tensor copy(std::move(shape), dtype);
  if (copy.bytes() > 0) std::memcpy(copy.raw(), bytes, static_cast<size_t>(copy.bytes()));
  return copy;
}

void SafetensorsFile::drop(const TensorInfo& info) const {
  file_->drop(static_cast<size_t>(data_begin_ + info.offset), static_cast<size_t>(info.bytes));
}

struct SafetensorsWriter::Output {
  OutputFile file;
  uint64_t expected;
};

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorInfo> plan,
                                     const std::map<std::string, std::string>& metadata) {
  const std::string header = safetensors_header(plan, metadata);
  uint64_t expected = header.size();
  for (const auto& info : plan) expected += static_cast<uint64_t>(info.bytes);
  output_.reset(new Output{OutputFile(path), expected});
  output_->file.reserve(expected);
  output_->file.write(header);
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(const void* bytes, size_t size) {
  OutputFile& file = output_->file;
  if (size > output_->expected - file.written()) {
    fail("{}: more bytes are written than its header announces", printable(file.path().string()));
  }
  file.write(bytes, size);
}

void SafetensorsWriter::finish(bool sync) {
  OutputFile& file = output_->file;
  if (file.written() != output_->expected) {
    fail("{}: {} bytes that its header announces are missing", printable(file.path().string()),
         with_commas(output_->expected - file.written()));
  }
  file.close(sync);
}

}  // namespace octet
