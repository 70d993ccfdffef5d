#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/tensor.h"

namespace octet {

/// Where a tensor lies: checked against its file when the header was read.
struct TensorInfo {
  std::string name;
  DType dtype;
  Shape shape;
  int64_t offset = 0, bytes = 0;  // in the file's data section
};

/// One .safetensors file, mapped. The header is checked whole (offsets in bounds, no gap, no overlap, lengths equal
/// to shape times dtype, no key twice) before a tensor is handed out; the numbers are read when they are used.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in the order of their offsets
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return file_->path(); }

  /// A view of the mapped bytes; keeps the file mapped. A copy where they lie at an address that is odd for their
  /// dtype.
  Tensor view(const TensorInfo& info) const;
  /// Rows [begin, begin + count) of it; copies only them.
  Tensor rows(const TensorInfo& info, int64_t begin, int64_t count) const;
  /// The mapped bytes, at whatever address, as long as this object lives.
  std::span<const std::byte> bytes(const TensorInfo& info) const;
  /// Gives the pages of a tensor back to the kernel.
  void drop(const TensorInfo& info) const;

 private:
  Tensor aligned(Shape shape, DType dtype, const std::byte* bytes) const;
  std::shared_ptr<MappedFile> file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  int64_t data_begin_ = 0;
};

/// Writes one .safetensors file front to back: the plan first, then each tensor's bytes in the plan's order, in pieces
/// of any size. finish() syncs and throws Error if a byte is missing. Offsets of the plan are computed here.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorInfo> plan,
                    const std::map<std::string, std::string>& metadata = {{"format", "pt"}});
  ~SafetensorsWriter();
  void write(const void* bytes, size_t size);
  void finish(bool sync = true);

 private:
  struct Output;
  std::unique_ptr<Output> output_;
};

}  // namespace octet
