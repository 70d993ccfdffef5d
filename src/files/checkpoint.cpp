#include "files/checkpoint.h"

#include <set>

#include "base/error.h"
#include "base/escape.h"
#include "files/shard_index.h"

namespace octet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxConfig = size_t{16} << 20;
constexpr size_t kShown = 200;
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::string shown(const fs::path& path) {
  return printable(path.string(), 4096);
}
std::string shown_name(std::string_view name) {
  return printable(name, kShown);
}

// "org/name", as the Hugging Face hub names models.
bool looks_like_hub_name(const std::string& text) {
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part != "." && part != ".." && std::all_of(part.begin(), part.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
    });
  };
  const size_t slash = text.find('/');
  return slash != std::string::npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

void check_directory(const fs::path& directory) {
  std::error_code error;
  const auto status = fs::status(directory, error);
  if (fs::is_directory(status)) return;
  const std::string name = shown(directory);
  if (fs::exists(status))
    fail("{}: is a file; give the Hugging Face directory that holds config.json and model.safetensors", name);
  if (looks_like_hub_name(directory.string())) {
    fail(
        "{}: there is no such directory; if it is a model on the Hugging Face hub, download it first: "
        "huggingface-cli download {} --local-dir {}",
        name, name, shown(directory.filename()));
  }
  if (error && error != std::errc::no_such_file_or_directory) fail("{}: cannot be read: {}", name, error.message());
  fail("{}: there is no such directory", name);
}

[[noreturn]] void fail_without_weights(const fs::path& directory) {
  std::set<std::string> others, shards;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const auto extension = entry->path().extension().string();
    if (extension == ".safetensors") shards.insert(entry->path().filename().string());
    if (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".gguf")
      others.insert(extension);
  }
  const std::string name = shown(directory);
  for (const char* file : {kSingle, kIndex}) {
    if (fs::is_symlink(directory / file, error)) {
      fail("{}: is a symbolic link that leads nowhere; fetch the file again", shown(directory / file));
    }
  }
  if (!shards.empty()) {
    fail("{}: holds {} but neither {} nor {}; fetch the missing file", name, shown_name(*shards.begin()), kSingle,
         kIndex);
  }
  if (!others.empty()) {
    fail(
        "{}: holds its weights as {} only; take the safetensors version of the model, or convert it with Transformers' "
        "save_pretrained",
        name, *others.begin());
  }
  fail("{}: holds neither {} nor {}", name, kSingle, kIndex);
}

std::string read_config(const fs::path& path) {
  if (std::error_code error; !fs::exists(path, error)) {
    fail("{}: there is no config.json; give a Hugging Face model directory", shown(path.parent_path()));
  }
  const MappedFile file(path);
  if (file.bytes().size() > kMaxConfig) fail("{}: has more than {} bytes", shown(path), with_commas(kMaxConfig));
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& directory) {
  check_directory(directory);
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;
  checkpoint.config_text_ = read_config(directory / "config.json");
  std::error_code error;
  if (fs::exists(directory / kSingle, error)) {
    checkpoint.add_file(directory / kSingle);
  } else if (fs::exists(directory / kIndex, error)) {
    checkpoint.add_shards(directory / kIndex);
  } else {
    fail_without_weights(directory);
  }
  return checkpoint;
}

void Checkpoint::add_file(const fs::path& path) {
  const size_t file = files_.size();
  files_.push_back(std::make_shared<SafetensorsFile>(path));
  const auto& tensors = files_.back()->tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto [place, added] = places_.emplace(tensors[i].name, Place{file, i});
    if (added) continue;
    fail("{}: tensor {} stands in {} too", shown(path), shown_name(tensors[i].name),
         shown(files_[place->second.file]->path().filename()));
  }
}

void Checkpoint::add_shards(const fs::path& path) {
  const ShardIndex index = read_shard_index(path);
  for (const auto& shard : index.shards) {
    std::error_code error;
    if (!fs::exists(directory_ / shard, error)) {
      fail("{}: the shard {} is not there; fetch it", shown(directory_), shown_name(shard));
    }
  }
  for (const auto& shard : index.shards) add_file(directory_ / shard);
  for (const auto& [tensor, shard] : index.shard_of) {
    const auto place = places_.find(tensor);
    if (place != places_.end() && place->second.file == shard) continue;
    fail("{}: lists tensor {} in {}, which does not hold it", shown(path), shown_name(tensor),
         shown_name(index.shards[shard]));
  }
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(places_.size());
  for (const auto& file : files_) {
    for (const auto& info : file->tensors()) names.push_back(info.name);
  }
  return names;
}

bool Checkpoint::has(std::string_view name) const {
  return places_.find(name) != places_.end();
}

const Checkpoint::Place& Checkpoint::place(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) fail("{}: holds no tensor {}", shown(directory_), shown_name(name));
  return found->second;
}

const TensorInfo& Checkpoint::info(std::string_view name) const {
  const Place& at = place(name);
  return files_[at.file]->tensors()[at.index];
}

Tensor Checkpoint::tensor(std::string_view name) const {
  const Place& at = place(name);
  return files_[at.file]->view(files_[at.file]->tensors()[at.index]);
}

Tensor Checkpoint::rows(std::string_view name, int64_t begin, int64_t count) const {
  const Place& at = place(name);
  return files_[at.file]->rows(files_[at.file]->tensors()[at.index], begin, count);
}

std::span<const std::byte> Checkpoint::raw(std::string_view name) const {
  const Place& at = place(name);
  return files_[at.file]->bytes(files_[at.file]->tensors()[at.index]);
}

void Checkpoint::drop(std::string_view name) const {
  const Place& at = place(name);
  files_[at.file]->drop(files_[at.file]->tensors()[at.index]);
}

std::string Checkpoint::where(std::string_view name) const {
  return shown(files_[place(name).file]->path());
}

int64_t Checkpoint::bytes() const {
  int64_t sum = 0;
  for (const auto& file : files_) {
    for (const auto& info : file->tensors()) sum += info.bytes;
  }
  return sum;
}

}  // namespace octet
