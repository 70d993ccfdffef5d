#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "files/checkpoint.h"
#include "files/quantization_config.h"
#include "models/decoder.h"

namespace octet {

struct LoadOptions {
  /// Makes codes of a float weight [N,K] while it is loaded; nothing: as the checkpoint has it.
  std::function<std::optional<QTensor>(const std::string& module, const Tensor& w)> quantize;
  std::function<void(int64_t bytes)> progress;  // of the checkpoint, read since the last call
};

/// Makes the parts of a decoder from a checkpoint, each weight packed as it is read and its pages given back. Shapes
/// are checked against config.json, numbers must be finite; Error names the tensor.
class DecoderLoader {
 public:
  DecoderLoader(const Checkpoint& checkpoint, Threads& threads, LoadOptions options = {});

  const DecoderConfig& config() const { return config_; }
  const std::optional<QuantizationConfig>& quantization() const { return quantization_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  Tensor embedding() const;
  DecoderLayer layer(int64_t i) const;
  RmsNorm final_norm() const;
  Weight head() const;
  std::vector<KvScales> cache_scales() const;
  /// Everything.
  Decoder decoder() const;

 private:
  Tensor values(const std::string& name, const Shape& shape) const;
  Tensor vector_of(const std::string& name, int64_t size) const;
  Weight linear(const std::string& module, int64_t n, int64_t k, bool has_bias) const;
  RmsNorm norm(const std::string& name, int64_t size) const;
  std::optional<QTensor> quantized(const std::string& module, const Tensor& w) const;
  void done_with(const std::string& name) const;

  const Checkpoint& checkpoint_;
  Threads& threads_;
  LoadOptions options_;
  DecoderConfig config_;
  std::optional<QuantizationConfig> quantization_;
  std::vector<std::string> warnings_;
  mutable int64_t bytes_saved_ = 0;  // by quantizing while loading, as a checkpoint would hold it
};

}  // namespace octet
