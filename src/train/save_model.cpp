#include "train/save_model.h"

#include "base/error.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/output.h"
#include "compress/compress.h"
#include "files/checkpoint.h"
#include "files/safetensors.h"
#include "ops/aware_linear.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", "vocab.json",
    "merges.txt",     "chat_template.jinja"};

void copy_whole(const fs::path& from, const fs::path& to) {
  const MappedFile source(from);
  OutputFile copy(to);
  copy.write(source.bytes().data(), source.bytes().size());
  copy.close(false);
}

/// From a directory of float numbers to one in the scheme.
void compress_result(const TrainConfig& c, const Precision& precision, const Trainable& model, const fs::path& plain,
                     const fs::path& output, Threads& threads) {
  CompressOptions options;
  options.model = plain;
  options.output = output;
  options.scheme = precision.scheme;
  options.include_head = c.head;
  options.force = true;
  options.command = fmt::format("octet train {}", c.recipe.string());
  if (precision.scheme->needs_calibration()) options.calibration = c.train.front();
  const Checkpoint checkpoint = Checkpoint::open(plain);
  const Plan plan = make_plan(checkpoint, options);
  const fs::path made = c.output / "model.made";
  MadeLayer layer;
  for (const Weight& weight : model.linears) {
    if (weight.trained()->aware) layer.modules.emplace_back(weight.module(), served_weight(*weight.trained()));
  }
  write_made(made, layer);
  Calibration calibration;
  calibration.made.add(made);
  compress(
      checkpoint, plan, options, [&](const WorkPlace&) { return calibration; }, threads, [](int64_t) {});
  fs::remove_all(plain);
  fs::remove(made);
}

}  // namespace

void save_float_model(const fs::path& directory, const TrainConfig& c, const Trainable& model,
                      const std::string& config_json, const fs::path& tokenizer) {
  Json json = parse_json(config_json, "config.json");
  json["dtype"] = json["torch_dtype"] = c.dtype == DType::F32 ? "float32" : "bfloat16";
  json.erase("quantization_config");
  save_model(directory, model, json.dump(2, ' ', true) + "\n", c.dtype, tokenizer, true);
}

fs::path save_result(const TrainConfig& c, const Precision& precision, const Trainable& model,
                     const std::string& config_json, const fs::path& tokenizer, Threads& threads) {
  const fs::path directory = c.output / "model";
  const fs::path plain = precision.scheme ? c.output / "model.plain" : directory;
  save_float_model(plain, c, model, config_json, tokenizer);
  if (precision.scheme) compress_result(c, precision, model, plain, directory, threads);
  return directory;
}

void save_model(const fs::path& directory, const Trainable& model, const std::string& config_json, DType dtype,
                const fs::path& tokenizer, bool force) {
  OutputDirectory output(directory, force);
  std::vector<TensorInfo> plan;
  for (const Parameter& p : model.parameters) {
    plan.push_back({p.name, dtype, p.value.shape(), 0, p.value.elements() * bytes_of(dtype)});
  }
  SafetensorsWriter writer(output.path() / "model.safetensors", plan);
  for (const Parameter& p : model.parameters) {
    const Tensor stored = from_f32(p.value, dtype);
    writer.write(stored.raw(), static_cast<size_t>(stored.bytes()));
  }
  writer.finish(false);
  OutputFile config(output.path() / "config.json");
  config.write(config_json);
  config.close(false);
  for (const char* name : kTokenizerFiles) {
    if (fs::exists(tokenizer / name)) copy_whole(tokenizer / name, output.path() / name);
  }
  output.commit();
}

}  // namespace octet::train
