#include "train/checkpoint.h"

#include <charconv>

#include "base/error.h"
#include "base/sha256.h"
#include "files/safetensors.h"
#include "train/moment.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

/// One piece of a checkpoint: where its bytes are now.
struct Piece {
  TensorInfo info;
  void* bytes;
};

/// Everything that changes while training, in a fixed order. `histories` are copies that outlive the pieces.
std::vector<Piece> pieces_of(Trainer& trainer, std::vector<std::vector<float>>& histories) {
  std::vector<Piece> pieces;
  const auto add = [&](std::string name, DType dtype, Shape shape, void* bytes) {
    const int64_t size = elements_of(shape) * bytes_of(dtype);
    pieces.push_back({{std::move(name), dtype, std::move(shape), 0, size}, bytes});
  };
  const auto add_parameter = [&](Parameter& p, OptimizerState& state) {
    add(p.name, DType::F32, p.value.shape(), p.value.raw());
    for (const auto& [name, moment] : state.moments()) {
      const std::string prefix = fmt::format("{}.{}", name, p.name);
      if (!moment->values.empty())
        add(prefix, DType::F32, {static_cast<int64_t>(moment->values.size())}, moment->values.data());
      if (!moment->codes.empty())
        add(prefix + ".codes", DType::U8, {static_cast<int64_t>(moment->codes.size())}, moment->codes.data());
      if (!moment->scales.empty())
        add(prefix + ".scales", DType::F32, {static_cast<int64_t>(moment->scales.size())}, moment->scales.data());
    }
  };
  auto& parameters = trainer.parameters();
  for (size_t i = 0; i < parameters.size(); ++i) add_parameter(parameters[i], trainer.states()[i]);
  auto& learned = trainer.learned();
  for (size_t i = 0; i < learned.size(); ++i) add_parameter(learned[i], trainer.learned_states()[i]);
  for (const Weight& weight : trainer.model().linears) {
    TrainedWeight& w = *weight.trained();
    if (w.aware && w.aware->static_input())
      add("input_range." + weight.module(), DType::F32, {2}, w.aware->range.average.data());
    if (!w.recipe.delayed()) continue;
    const std::pair<const char*, AmaxHistory*> named[] = {{"x", &w.x_amax}, {"w", &w.w_amax}, {"dy", &w.dy_amax}};
    for (const auto& [name, history] : named) {
      histories.push_back(history->state());
      auto& state = histories.back();
      add(fmt::format("amax.{}.{}", name, weight.module()), DType::F32, {static_cast<int64_t>(state.size())},
          state.data());
    }
  }
  return pieces;
}

constexpr const char* kHash = "sha256";  // of all tensors before it, the last one

/// Of the bytes that bytes_of gives for every piece.
template <typename BytesOf>
std::string hash_of(const std::vector<Piece>& pieces, const BytesOf& bytes_of) {
  Sha256 hash;
  for (const Piece& piece : pieces) {
    hash.update(piece.info.name);
    hash.update(bytes_of(piece));
  }
  return hash.hex();
}

std::string exact(double x) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

const std::string& text_in(const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    fail("{}: it is no checkpoint of a training run: {} is missing", file.path().string(), key);
  return found->second;
}

template <typename T>
T number_in(const SafetensorsFile& file, const char* key) {
  const std::string& text = text_in(file, key);
  T value{};
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || at != text.data() + text.size()) fail("{}: {} is no number", file.path().string(), key);
  return value;
}

}  // namespace

void save_checkpoint(const fs::path& file, Trainer& trainer, const RunState& state) {
  std::vector<std::vector<float>> histories;
  histories.reserve(trainer.model().linears.size() * 3);
  const std::vector<Piece> pieces = pieces_of(trainer, histories);
  std::vector<TensorInfo> plan;
  for (const Piece& piece : pieces) plan.push_back(piece.info);
  const std::string hash = hash_of(pieces, [](const Piece& piece) {
    return std::span(static_cast<const std::byte*>(piece.bytes), static_cast<size_t>(piece.info.bytes));
  });
  plan.push_back({kHash, DType::U8, {static_cast<int64_t>(hash.size())}, 0, static_cast<int64_t>(hash.size())});
  const fs::path part = file.string() + ".part";
  {
    SafetensorsWriter writer(part, plan,
                             {{"format", "pt"},
                              {"octet_training", "1"},
                              {"recipe", state.fingerprint},
                              {"data", state.data},
                              {"models", state.models},
                              {"step", std::to_string(trainer.steps())},
                              {"best_loss", exact(state.best_loss)},
                              {"validations_since_best", std::to_string(state.validations_since_best)},
                              {"last_loss", exact(state.last_loss)},
                              {"first_loss", exact(state.first_loss)},
                              {"smooth_loss", exact(state.smooth_loss)}});
    for (const Piece& piece : pieces) writer.write(piece.bytes, static_cast<size_t>(piece.info.bytes));
    writer.write(hash.data(), hash.size());
    writer.finish();
  }
  std::error_code error;
  fs::rename(part, file, error);
  if (error) fail("{}: cannot be written: {}", file.string(), error.message());
}

namespace {

void check_hash(const SafetensorsFile& file, const std::vector<Piece>& pieces,
                const std::map<std::string, const TensorInfo*>& there) {
  const auto stored = there.find(kHash);
  const auto bytes = stored == there.end() ? std::span<const std::byte>() : file.bytes(*stored->second);
  const std::string hash = hash_of(pieces, [&](const Piece& piece) { return file.bytes(*there.at(piece.info.name)); });
  if (std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) != hash)
    fail("{}: its numbers are not those that were written; begin anew in another output directory",
         file.path().string());
}

void check_origin(const SafetensorsFile& file, const RunState& expected) {
  const std::string path = file.path().string();
  if (text_in(file, "recipe") != expected.fingerprint) {
    fail(
        "{}: it was made with another recipe; take that one (where accumulate is not in it, it is the number of "
        "processes: resume with as many), or begin anew in another output directory",
        path);
  }
  if (text_in(file, "data") != expected.data) {
    fail("{}: it was made with other data; the files of the recipe have changed since", path);
  }
}

}  // namespace

int64_t steps_of_checkpoint(const fs::path& path, const RunState& expected) {
  const SafetensorsFile file(path);
  check_origin(file, expected);
  return number_in<int64_t>(file, "step");
}

RunState load_checkpoint(const fs::path& path, Trainer& trainer, const RunState& expected) {
  const SafetensorsFile file(path);
  check_origin(file, expected);
  if (text_in(file, "models") != expected.models) {
    fail(
        "{}: the models in {} are not those that the run made; put them back, or begin anew in another output "
        "directory",
        path.string(), path.parent_path().string());
  }
  std::vector<std::vector<float>> histories;
  histories.reserve(trainer.model().linears.size() * 3);
  const std::vector<Piece> pieces = pieces_of(trainer, histories);
  std::map<std::string, const TensorInfo*> there;
  for (const TensorInfo& info : file.tensors()) there[info.name] = &info;
  for (const Piece& piece : pieces) {
    const auto found = there.find(piece.info.name);
    if (found == there.end()) fail("{}: tensor {} is missing", path.string(), piece.info.name);
    if (found->second->shape != piece.info.shape || found->second->dtype != piece.info.dtype) {
      fail("{}: tensor {} has shape {}, not {}", path.string(), piece.info.name, text_of(found->second->shape),
           text_of(piece.info.shape));
    }
  }
  check_hash(file, pieces, there);
  for (const Piece& piece : pieces)
    std::memcpy(piece.bytes, file.bytes(*there[piece.info.name]).data(), static_cast<size_t>(piece.info.bytes));
  size_t next = 0;
  for (const Weight& weight : trainer.model().linears) {
    TrainedWeight& w = *weight.trained();
    if (!w.recipe.delayed()) continue;
    for (AmaxHistory* history : {&w.x_amax, &w.w_amax, &w.dy_amax}) history->set_state(histories[next++]);
  }
  trainer.set_steps(number_in<int64_t>(file, "step"));
  RunState state = expected;
  state.best_loss = number_in<double>(file, "best_loss");
  state.validations_since_best = number_in<int64_t>(file, "validations_since_best");
  state.last_loss = number_in<double>(file, "last_loss");
  state.first_loss = number_in<double>(file, "first_loss");
  state.smooth_loss = number_in<double>(file, "smooth_loss");
  return state;
}

}  // namespace octet::train
