#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "files/checkpoint.h"
#include "tensor/qtensor.h"
#include "tensor/scheme.h"

namespace octet {

/// One config group: which layers, and how they look. Targets are module names, "re:" and a regular expression that
/// matches from the start, or the class name "Linear".
struct ConfigGroup {
  std::vector<std::string> targets;
  std::optional<Quantization> weights, activations;
  Storage storage = Storage::dense;
};

/// quantization_config of config.json: of compressed-tensors, of `quant_method: fp8` (DeepSeek-V3, Qwen3-FP8), or
/// Octet's own (`quant_method: octet`, the same keys as compressed-tensors).
struct QuantizationConfig {
  std::string method = "compressed-tensors";
  std::vector<ConfigGroup> groups;
  std::vector<std::string> ignore;
  std::optional<Quantization> kv_cache;

  /// The group of a linear module (exact name before regex before class), or nullptr if it is not quantized.
  const ConfigGroup* group_of(std::string_view module) const;
};

/// nullopt where config.json has none. Throws Error naming key and value for what is not understood.
std::optional<QuantizationConfig> read_quantization_config(const Json& config, const std::string& where);

/// The object that goes into config.json, as compressed-tensors 0.18 writes it (formats.md; goldens in tests).
Json write_quantization_config(const QuantizationConfig& config);

/// The quantized matrix of `module` ("model.layers.0.mlp.up_proj"): views of the mapped file where the codes lie there
/// as they are needed, every dtype and shape checked, every scale finite and positive. The codes themselves are not
/// read: check_codes() does that where they first are. Throws Error naming file and tensor.
QTensor read_qtensor(const Checkpoint& checkpoint, std::string_view module, const ConfigGroup& group);

/// Throws Error with `where` ("file: tensor x") if a code stands for NaN or infinity. About as fast as memory.
void check_codes(const QTensor& q, std::string_view where);

/// Scales of the key-value cache of an attention module ("model.layers.0.self_attn"), or nullopt if there are none.
struct KvScales {
  float k = 1, v = 1;
};
std::optional<KvScales> read_kv_scales(const Checkpoint& checkpoint, std::string_view attention);

/// The tensors that hold q in a checkpoint: names, dtypes and shapes, in the order they are written.
/// `scale_dtype`: the weight's dtype before (F32, BF16 or F16).
std::vector<TensorInfo> plan_qtensor(std::string_view module, const ConfigGroup& group, int64_t n, int64_t k,
                                     DType scale_dtype);

/// The contents of plan_qtensor's tensors, in its order. Codes are shared with q unless they are packed.
std::vector<Tensor> encode_qtensor(const QTensor& q, const ConfigGroup& group, DType scale_dtype);

/// Rows of INT8 codes as pack-quantized holds them: code XOR 0x80, each row padded with zero bytes to 4.
/// `out` has rows · packed_row_bytes(k) bytes.
void pack_rows(const int8_t* codes, int64_t rows, int64_t k, std::byte* out);
constexpr int64_t packed_row_bytes(int64_t k) {
  return (k + 3) / 4 * 4;
}

}  // namespace octet
