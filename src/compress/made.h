#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "files/safetensors.h"
#include "tensor/qtensor.h"

namespace octet {

/// What was made of one layer, and stands in a file beside the output until all are done.
struct MadeLayer {
  std::vector<std::pair<std::string, QTensor>> modules;  // quantized
  std::vector<std::pair<std::string, Tensor>> tensors;   // float: norms, biases, matrices that were transformed
};

/// Writes a layer so that the file is whole and sealed (work_file.h), or absent.
void write_made(const std::filesystem::path& path, const MadeLayer& layer);

/// Everything that was made, by name: views of mapped files.
class Made {
 public:
  void add(const std::filesystem::path& path);
  bool has_tensor(std::string_view name) const { return tensors_.count(name) != 0; }
  bool has_module(std::string_view name) const;
  Tensor tensor(std::string_view name) const;
  /// `like`: what a file does not say of it.
  QTensor module(std::string_view name, const Quantization& weights,
                 const std::optional<Quantization>& activations) const;
  void drop(std::string_view name) const;

 private:
  struct Place {
    std::shared_ptr<SafetensorsFile> file;
    TensorInfo info;
  };
  const Place& place(std::string_view name) const;
  std::map<std::string, Place, std::less<>> tensors_;
};

}  // namespace octet
