#include "compress/save.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/output.h"
#include "base/sha256.h"
#include "compress/modules.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPiece = size_t{4} << 20;

// Weights in other formats: they would contradict the compressed ones.
constexpr std::string_view kWeightFiles[] = {".safetensors", ".bin",  ".pt",      ".pth",    ".gguf", ".ggml", ".onnx",
                                             ".h5",          ".ckpt", ".msgpack", ".tflite", ".npz",  ".ot"};

bool is_weight_file(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json")) return true;
  const std::string extension = path.extension().string();
  return std::find(std::begin(kWeightFiles), std::end(kWeightFiles), extension) != std::end(kWeightFiles);
}

bool is_made_anew(const Checkpoint& checkpoint, const fs::path& path) {
  const std::string name = path.filename().string();
  if (name == "config.json" || name == "octet.json" || name == "model.safetensors.index.json") return true;
  return std::any_of(checkpoint.files().begin(), checkpoint.files().end(),
                     [&](const auto& file) { return file->path().filename() == name; });
}

std::string reason_to_leave_out(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return "is a directory";
  if (!fs::is_regular_file(status)) return "is not a regular file";
  if (is_weight_file(path)) return "holds weights that are not compressed";
  return "";
}

void write_text(const fs::path& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.close(false);
}

}  // namespace

void write_config(const Checkpoint& checkpoint, const Plan& plan, const fs::path& directory) {
  Json config = parse_json(checkpoint.config_text(), (checkpoint.directory() / "config.json").string());
  config.erase("quantization_config");
  config.erase("compression_config");
  if (plan.output) config["quantization_config"] = write_quantization_config(*plan.output);
  if (plan.unties_head) config["tie_word_embeddings"] = false;
  write_text(directory / "config.json", config.dump(2, ' ', true) + "\n");
}

std::vector<OtherFile> other_files(const Checkpoint& checkpoint) {
  std::vector<OtherFile> files;
  std::error_code error;
  for (fs::directory_iterator entry(checkpoint.directory(), error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_made_anew(checkpoint, entry->path())) continue;
    files.push_back({entry->path(), reason_to_leave_out(entry->path())});
  }
  if (error) fail("{}: cannot be listed: {}", printable(checkpoint.directory().string()), error.message());
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

void copy_into(const fs::path& from, const fs::path& directory) {
  const MappedFile source(from);
  OutputFile copy(directory / from.filename());
  const auto bytes = source.bytes();
  for (size_t begin = 0; begin < bytes.size(); begin += kPiece) {
    const size_t size = std::min(kPiece, bytes.size() - begin);
    copy.write(bytes.data() + begin, size);
    source.drop(begin, size);
  }
  copy.close(false);
}

void write_provenance(const CompressOptions& options, const std::map<std::string, std::string>& hashes,
                      const fs::path& directory) {
  const bool of_contract = options.groups && options.recipe.empty();
  const std::string scheme = of_contract ? schemes_text(*options.groups) : std::string(options.scheme->name);
  const Json provenance{
      {"version", OCTET_VERSION}, {"command", options.command}, {"scheme", scheme}, {"inputs", hashes}};
  write_text(directory / "octet.json", provenance.dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
}

std::string hash_of_file(const fs::path& path, const std::atomic<bool>& stop) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  Sha256 hash;
  for (size_t begin = 0; begin < bytes.size() && !stop; begin += kPiece) {
    const size_t size = std::min(kPiece, bytes.size() - begin);
    hash.update(bytes.subspan(begin, size));
    file.drop(begin, size);
  }
  return stop ? "" : hash.hex();
}

}  // namespace octet
