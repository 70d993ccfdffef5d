#pragma once
#include <fstream>
#include <sstream>

#include "base/errors_for_tests.h"
#include "base/json.h"
#include "compress/compress.h"
#include "numeric/bf16.h"

namespace octet {

struct TinyShape {
  int64_t layers = 2, hidden = 128, intermediate = 256, heads = 4, kv_heads = 2, head_dim = 32, vocabulary = 48;
  bool tied = true;
  DType dtype = DType::BF16;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline Json tiny_config(const TinyShape& s) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", s.hidden},
          {"intermediate_size", s.intermediate},
          {"num_hidden_layers", s.layers},
          {"num_attention_heads", s.heads},
          {"num_key_value_heads", s.kv_heads},
          {"head_dim", s.head_dim},
          {"vocab_size", s.vocabulary},
          {"max_position_embeddings", 64},
          {"rms_norm_eps", 1e-5},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"tie_word_embeddings", s.tied},
          {"torch_dtype", "bfloat16"}};
}

/// Numbers between -1 and 1 that no two tensors share.
inline Tensor some_numbers(Shape shape, DType dtype, int64_t salt) {
  Tensor x(std::move(shape));
  for (int64_t i = 0; i < x.elements(); ++i) {
    x.f32()[i] = static_cast<float>((i * 7919 + salt * 104729 + i / 11) % 4001 - 2000) / 2000.0f;
  }
  return from_f32(x, dtype);
}

inline std::vector<std::pair<std::string, Tensor>> tiny_tensors(const TinyShape& s) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  const auto add = [&](const std::string& name, Shape shape) {
    tensors.emplace_back(name, some_numbers(std::move(shape), s.dtype, static_cast<int64_t>(tensors.size())));
  };
  const int64_t width = s.heads * s.head_dim, kv_width = s.kv_heads * s.head_dim;
  add("model.embed_tokens.weight", {s.vocabulary, s.hidden});
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    add(layer + "input_layernorm.weight", {s.hidden});
    add(layer + "self_attn.q_proj.weight", {width, s.hidden});
    add(layer + "self_attn.k_proj.weight", {kv_width, s.hidden});
    add(layer + "self_attn.v_proj.weight", {kv_width, s.hidden});
    add(layer + "self_attn.o_proj.weight", {s.hidden, width});
    add(layer + "post_attention_layernorm.weight", {s.hidden});
    add(layer + "mlp.gate_proj.weight", {s.intermediate, s.hidden});
    add(layer + "mlp.up_proj.weight", {s.intermediate, s.hidden});
    add(layer + "mlp.down_proj.weight", {s.hidden, s.intermediate});
  }
  add("model.norm.weight", {s.hidden});
  if (!s.tied) add("lm_head.weight", {s.vocabulary, s.hidden});
  return tensors;
}

inline void write_safetensors(const std::filesystem::path& path,
                              const std::vector<std::pair<std::string, Tensor>>& tensors) {
  std::vector<TensorInfo> plan;
  for (const auto& [name, tensor] : tensors) plan.push_back({name, tensor.dtype(), tensor.shape()});
  SafetensorsWriter writer(path, plan);
  for (const auto& [name, tensor] : tensors) writer.write(tensor.raw(), static_cast<size_t>(tensor.bytes()));
  writer.finish(false);
}

/// A whole model directory with random weights, and what compressing makes of it.
class TinyModel {
 public:
  explicit TinyModel(const TinyShape& shape = {}) {
    std::filesystem::create_directory(path());
    write_bytes(path() / "config.json", tiny_config(shape).dump());
    write_safetensors(path() / "model.safetensors", tiny_tensors(shape));
    write_bytes(path() / "notes.txt", "kept");
  }

  std::filesystem::path path() const { return directory_ / "model"; }
  std::filesystem::path out(const std::string& name) const { return directory_ / name; }

  CompressOptions options(std::string_view scheme, const std::string& name = "out") const {
    CompressOptions options;
    options.model = path();
    options.output = out(name);
    options.scheme = &scheme_named(scheme);
    options.command = "octet compress";
    return options;
  }

 private:
  TemporaryDirectory directory_;
};

/// What calibration would have found, for every module.
inline CalibrationRanges some_ranges(const Plan& plan) {
  CalibrationRanges ranges;
  for (const ModulePlan& module : plan.modules) ranges.inputs[module.name] = {-3, 5};
  ranges.keys.assign(static_cast<size_t>(plan.model.layers), {-7, 2});
  ranges.values.assign(static_cast<size_t>(plan.model.layers), {-1, 14});
  return ranges;
}

inline CompressResult compress_with(CompressOptions options, int threads = 2) {
  if (options.scheme->needs_calibration() || options.kv_cache_fp8) options.calibration = options.model / "notes.txt";
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Plan plan = make_plan(checkpoint, options);
  Threads crew(threads);
  return compress(
      checkpoint, plan, options,
      [&](const WorkPlace&) {
        return Calibration{some_ranges(plan), {}};
      },
      crew, [](int64_t) {});
}

inline Json config_of(const std::filesystem::path& directory) {
  return read_json(directory / "config.json");
}

}  // namespace octet
