#pragma once
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/errors_for_tests.h"
#include "files/safetensors.h"

namespace octet {

/// The bytes of a safetensors file: any header, any data.
inline std::string safetensors_bytes(std::string_view header, std::string_view data = "") {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes.append(header).append(data);
}

/// Writes tensors with Octet's writer, in the order of their names.
inline void write_tensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors) {
  std::vector<TensorInfo> plan;
  for (const auto& [name, tensor] : tensors) plan.push_back({name, tensor.dtype(), tensor.shape()});
  SafetensorsWriter writer(path, plan);
  for (const auto& [name, tensor] : tensors) writer.write(tensor.raw(), static_cast<size_t>(tensor.bytes()));
  writer.finish(false);
}

template <typename T>
Tensor tensor_with(Shape shape, DType dtype, const std::vector<T>& values) {
  Tensor tensor(std::move(shape), dtype);
  EXPECT_EQ(static_cast<size_t>(tensor.bytes()), values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(tensor.raw(), values.data(), values.size() * sizeof(T));
  return tensor;
}

}  // namespace octet
