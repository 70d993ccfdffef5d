#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "files/safetensors.h"

namespace octet {

/// A Hugging Face model directory: config.json, and model.safetensors or the shards of model.safetensors.index.json.
/// Everything a header can get wrong is found by open(); the numbers stay in the files until they are used.
class Checkpoint {
 public:
  /// Throws Error saying what is wrong with the directory, and what to do (a hub name, only .bin files, …).
  static Checkpoint open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  const std::string& config_text() const { return config_text_; }  // config.json, as it stands there (parse_json it)
  std::vector<std::string> names() const;                          // in file order
  const std::vector<std::shared_ptr<SafetensorsFile>>& files() const { return files_; }

  bool has(std::string_view name) const;
  /// Throws Error naming the directory and the tensor if it is not there.
  const TensorInfo& info(std::string_view name) const;
  Tensor tensor(std::string_view name) const;
  /// Rows [begin, begin + count) of a tensor, without touching the others.
  Tensor rows(std::string_view name, int64_t begin, int64_t count) const;
  /// A tensor's bytes in the mapped file, at whatever address, as long as this object lives.
  std::span<const std::byte> raw(std::string_view name) const;
  void drop(std::string_view name) const;
  /// The file that holds a tensor, for messages.
  std::string where(std::string_view name) const;
  int64_t bytes() const;  // of all tensors

 private:
  struct Place {
    size_t file, index;
  };
  void add_file(const std::filesystem::path& path);
  void add_shards(const std::filesystem::path& index);
  const Place& place(std::string_view name) const;
  std::filesystem::path directory_;
  std::string config_text_;
  std::vector<std::shared_ptr<SafetensorsFile>> files_;
  std::map<std::string, Place, std::less<>> places_;
};

}  // namespace octet
