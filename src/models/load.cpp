#include "models/load.h"

#include "base/error.h"
#include "base/json.h"
#include "kernels/convert/convert.h"
#include "models/architectures.h"
#include "models/layer.h"

namespace octet {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kHead = "lm_head";
constexpr int64_t kCheckedAtOnce = int64_t{1} << 18;

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

void check_finite(const Tensor& x, const std::string& name, const std::string& directory, Threads& threads) {
  const int width = bytes_of(x.dtype());
  const Format format = x.dtype() == DType::BF16 ? Format::BF16 : x.dtype() == DType::F16 ? Format::FP16 : Format::F32;
  std::atomic<bool> finite{true};
  threads.for_range(x.elements(), kCheckedAtOnce, [&](int64_t begin, int64_t end) {
    if (!std::isfinite(kernels::amax(format, x.raw() + begin * width, end - begin))) finite = false;
  });
  if (!finite) {
    fail("{}: tensor {} holds NaN or infinite numbers; the checkpoint is damaged or its training diverged", directory,
         name);
  }
}

}  // namespace

DecoderLoader::DecoderLoader(const Checkpoint& checkpoint, Threads& threads, LoadOptions options)
    : checkpoint_(checkpoint), threads_(threads), options_(std::move(options)) {
  const std::string where = (checkpoint.directory() / "config.json").string();
  const Json config = parse_json(checkpoint.config_text(), where);
  config_ = read_decoder_config(config, where);
  quantization_ = read_quantization_config(config, where);
  config_.dtype = checkpoint.info(kEmbedding).dtype;
  if (config_.tied && checkpoint.has(std::string(kHead) + ".weight")) {
    warnings_.push_back(fmt::format("{}: tie_word_embeddings is true, so the stored lm_head is not used", where));
  }
  if (options_.quantize && quantization_) {
    warnings_.push_back(fmt::format("{} is compressed already: what is quantized in it stays as it is",
                                    checkpoint.directory().string()));
  }
}

Tensor DecoderLoader::values(const std::string& name, const Shape& shape) const {
  const TensorInfo& info = checkpoint_.info(name);
  const std::string directory = checkpoint_.directory().string();
  if (info.shape != shape) {
    fail("{}: tensor {} has shape {}, but config.json asks for {}", directory, name, text_of(info.shape),
         text_of(shape));
  }
  if (!is_float(info.dtype)) {
    fail("{}: tensor {} has dtype {}; numbers that are not quantized must be F32, BF16 or F16", directory, name,
         name_of(info.dtype));
  }
  Tensor x = checkpoint_.tensor(name);
  check_finite(x, name, directory, threads_);
  return x;
}

void DecoderLoader::done_with(const std::string& name) const {
  if (options_.progress) options_.progress(checkpoint_.info(name).bytes);
  checkpoint_.drop(name);
}

Tensor DecoderLoader::vector_of(const std::string& name, int64_t size) const {
  Tensor x = to_f32(values(name, {size}));
  if (options_.progress) options_.progress(checkpoint_.info(name).bytes);
  return x;
}

RmsNorm DecoderLoader::norm(const std::string& name, int64_t size) const {
  return {vector_of(name, size), config_.norm_epsilon};
}

std::optional<QTensor> DecoderLoader::quantized(const std::string& module, const Tensor& w) const {
  if (!options_.quantize) return std::nullopt;
  auto q = options_.quantize(module, w);
  if (q) {
    const int scale_bytes = q->weights.scale_format == Format::E8M0 ? 1 : bytes_of(w.dtype());
    bytes_saved_ += w.bytes() - q->codes.bytes() - q->scales.elements() * scale_bytes;
  }
  return q;
}

Weight DecoderLoader::linear(const std::string& module, int64_t n, int64_t k, bool has_bias) const {
  const Tensor bias = has_bias ? vector_of(module + ".bias", n) : Tensor();
  if (const ConfigGroup* group = quantization_ ? quantization_->group_of(module) : nullptr; group && group->weights) {
    const QTensor q = read_qtensor(checkpoint_, module, *group);
    if (q.rows() != n || q.columns() != k) {
      fail("{}: {} has {} x {} codes, but config.json asks for {} x {}", checkpoint_.directory().string(), module,
           q.rows(), q.columns(), n, k);
    }
    check_codes(q, fmt::format("{}: tensor {}.weight", checkpoint_.directory().string(), module));
    Weight weight(module, q, bias, config_.dtype, threads_);
    for (const TensorInfo& info : plan_qtensor(module, *group, n, k, config_.dtype)) {
      if (checkpoint_.has(info.name)) done_with(info.name);
    }
    return weight;
  }
  const std::string name = module + ".weight";
  const Tensor w = values(name, {n, k});
  const auto q = quantized(module, w);
  Weight weight = q ? Weight(module, *q, bias, w.dtype(), threads_) : Weight(module, w, bias, threads_);
  done_with(name);
  return weight;
}

Tensor DecoderLoader::embedding() const {
  return values(kEmbedding, {config_.vocabulary, config_.hidden});
}

DecoderLayer DecoderLoader::layer(int64_t i) const {
  return make_layer(
      config_, i,
      {[this](const std::string& module, int64_t n, int64_t k, bool bias) { return linear(module, n, k, bias); },
       [this](const std::string& name, int64_t size) { return vector_of(name, size); }});
}

RmsNorm DecoderLoader::final_norm() const {
  return norm("model.norm.weight", config_.hidden);
}

Weight DecoderLoader::head() const {
  if (!config_.tied) return linear(kHead, config_.vocabulary, config_.hidden, false);
  const Tensor table = embedding();  // tied
  const auto q = quantized(kHead, table);
  if (q) bytes_saved_ -= table.bytes();  // the embedding stays beside it
  Weight weight = q ? Weight(kHead, *q, Tensor(), table.dtype(), threads_) : Weight(kHead, table, Tensor(), threads_);
  done_with(kEmbedding);
  return weight;
}

std::vector<KvScales> DecoderLoader::cache_scales() const {
  if (!quantization_ || !quantization_->kv_cache) return {};
  std::vector<KvScales> scales;
  for (int64_t i = 0; i < config_.layers; ++i) {
    scales.push_back(read_kv_scales(checkpoint_, layer_module(i, "self_attn")).value_or(KvScales{}));
  }
  return scales;
}

Decoder DecoderLoader::decoder() const {
  Decoder decoder;
  decoder.config = config_;
  decoder.embedding = embedding();
  decoder.cache_scales = cache_scales();
  for (int64_t i = 0; i < config_.layers; ++i) decoder.layers.push_back(layer(i));
  decoder.norm = final_norm();
  decoder.head = head();
  decoder.weight_bytes = checkpoint_.bytes() - bytes_saved_;
  return decoder;
}

}  // namespace octet
