#include "train/save_model.h"

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/output.h"
#include "files/safetensors.h"

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

}  // namespace

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
