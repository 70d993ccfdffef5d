#include "compress/made.h"

#include "base/error.h"
#include "base/escape.h"
#include "compress/work_file.h"

namespace octet {
namespace {

// A quantized module's parts; no checkpoint has tensors of such names.
constexpr std::string_view kCodes = "#codes", kScales = "#scales", kTable = "#table", kInput = "#input";

std::string part(std::string_view module, std::string_view suffix) {
  return std::string(module) + std::string(suffix);
}

Tensor input_of(const QTensor& q) {
  Tensor input({2});
  input.f32()[0] = q.input_scale;
  input.f32()[1] = static_cast<float>(q.input_zero_point);
  return input;
}

}  // namespace

void write_made(const std::filesystem::path& path, const MadeLayer& layer) {
  std::vector<std::pair<std::string, Tensor>> parts = layer.tensors;
  for (const auto& [name, q] : layer.modules) {
    parts.emplace_back(part(name, kCodes), q.codes);
    parts.emplace_back(part(name, kScales), q.scales);
    if (!q.table.empty()) parts.emplace_back(part(name, kTable), q.table);
    parts.emplace_back(part(name, kInput), input_of(q));
  }
  std::vector<TensorInfo> infos;
  for (const auto& [name, tensor] : parts) infos.push_back({name, tensor.dtype(), tensor.shape()});
  std::filesystem::path beside = path;
  beside += ".new";
  SafetensorsWriter writer(beside, infos);
  for (const auto& [name, tensor] : parts) writer.write(tensor.raw(), static_cast<size_t>(tensor.bytes()));
  writer.finish(true);
  seal(path, beside);  // before the name: what has it is sealed
  std::filesystem::rename(beside, path);
}

void Made::add(const std::filesystem::path& path) {
  auto file = std::make_shared<SafetensorsFile>(path);
  for (const TensorInfo& info : file->tensors()) tensors_[info.name] = {file, info};
}

bool Made::has_module(std::string_view name) const {
  return has_tensor(part(name, kCodes));
}

const Made::Place& Made::place(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("{}: was not made", printable(std::string(name)));
  return found->second;
}

Tensor Made::tensor(std::string_view name) const {
  const Place& at = place(name);
  return at.file->view(at.info);
}

QTensor Made::module(std::string_view name, const Quantization& weights,
                     const std::optional<Quantization>& activations) const {
  QTensor q{weights, activations, tensor(part(name, kCodes)), tensor(part(name, kScales))};
  if (has_tensor(part(name, kTable))) q.table = tensor(part(name, kTable));
  const Tensor input = tensor(part(name, kInput));
  q.input_scale = input.f32()[0];
  q.input_zero_point = static_cast<int>(input.f32()[1]);
  return q;
}

void Made::drop(std::string_view name) const {
  for (const std::string& full : {std::string(name), part(name, kCodes), part(name, kScales), part(name, kInput)}) {
    const auto found = tensors_.find(full);
    if (found != tensors_.end()) found->second.file->drop(found->second.info);
  }
}

}  // namespace octet
