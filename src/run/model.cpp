#include "run/model.h"

#include <chrono>

#include "base/error.h"
#include "base/json.h"

namespace octet {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

constexpr int64_t kTransformersTopK = 50;  // what do_sample means where top_k is not given

void read_generation_config(const std::filesystem::path& file, Model& model) {
  model.end_tokens = model.decoder.config.eos;
  if (!std::filesystem::exists(file)) return;
  const Json json = read_json(file);
  const std::string where = file.string();
  if (const auto eos = json.find("eos_token_id"); eos != json.end() && !eos->is_null()) {
    const Json list = eos->is_array() ? *eos : Json::array({*eos});
    model.end_tokens.clear();
    for (const Json& id : list) {
      if (!id.is_number_integer() || id < 0 || id > INT32_MAX) fail("{}: eos_token_id must be token ids", where);
      model.end_tokens.push_back(id.get<int32_t>());
    }
  }
  Sampling& s = model.sampling;
  s.repetition_penalty = json_value<float>(json, "repetition_penalty", 1, where);
  if (!(s.repetition_penalty > 0)) fail("{}: repetition_penalty must be positive", where);
  if (!json_value<bool>(json, "do_sample", false, where)) return;
  s.temperature = json_value<float>(json, "temperature", 1, where);
  s.top_k = json_value<int64_t>(json, "top_k", kTransformersTopK, where);
  s.top_p = json_value<float>(json, "top_p", 1, where);
  s.min_p = json_value<float>(json, "min_p", 0, where);
  const auto check = [&](const char* key, double value, double least, double most) {
    if (!(value >= least && value <= most))
      fail("{}: {} is {}; it must be between {} and {}", where, key, value, least, most);
  };
  check("temperature", s.temperature, 0, 100);
  check("top_k", static_cast<double>(s.top_k), 0, 1e9);
  check("top_p", s.top_p, 0, 1);
  check("min_p", s.min_p, 0, 1);
}

}  // namespace

Format cache_format_named(const std::string& name, const Decoder& decoder) {
  if (name == "f32") return Format::F32;
  if (name == "bf16") return Format::BF16;
  if (name == "fp8") return Format::E4M3;
  if (name == "int8") return Format::INT8;
  if (name != "auto") throw UsageError(fmt::format("--kv-cache {}: it can be auto, f32, bf16, fp8 or int8", name));
  return decoder.cache_scales.empty() ? decoder.default_cache_format() : Format::E4M3;
}

LoadedDecoder load_decoder(const std::filesystem::path& directory, Threads& threads, LoadOptions options) {
  const auto start = std::chrono::steady_clock::now();
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const DecoderLoader loader(checkpoint, threads, std::move(options));
  LoadedDecoder loaded{loader.decoder(), loader.warnings()};
  loaded.load_seconds = seconds_since(start);
  return loaded;
}

Model load_model(const std::filesystem::path& directory, Threads& threads, LoadOptions options) {
  const auto start = std::chrono::steady_clock::now();
  const Checkpoint checkpoint = Checkpoint::open(directory);
  const DecoderLoader loader(checkpoint, threads, std::move(options));
  Tokenizer tokenizer = Tokenizer::load(directory);
  if (tokenizer.vocabulary_size() > loader.config().vocabulary) {
    fail("{}: tokenizer.json has token ids up to {}, but the embedding has only {} rows", directory.string(),
         tokenizer.vocabulary_size() - 1, loader.config().vocabulary);
  }
  Model model{directory, loader.decoder(), std::move(tokenizer), {}, {}, loader.warnings()};
  read_generation_config(directory / "generation_config.json", model);
  model.load_seconds = seconds_since(start);
  return model;
}

}  // namespace octet
