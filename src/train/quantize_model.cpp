#include "train/quantize_model.h"

#include <cmath>

#include "base/mapped_file.h"
#include "base/sha256.h"
#include "compress/calibrate.h"
#include "compress/compress.h"

namespace octet::train {
namespace {

namespace fs = std::filesystem;

fs::path quantized_model(const TrainConfig& c) {
  return c.output / "quantized";
}

/// Training documents with blank lines between, at least as many bytes as so many tokens can have.
std::string calibration_of(const TrainConfig& c, int64_t tokens) {
  constexpr size_t kBytesOfToken = 16;
  const size_t enough = kBytesOfToken * static_cast<size_t>(tokens);
  std::string text;
  for (const fs::path& file : c.train) {
    for (const Document& document : read_documents(file, c.data)) {
      text += document.text + "\n\n";
      if (text.size() >= enough) return text;
    }
  }
  return text;
}

CompressOptions options_of(const TrainConfig& c, const Precision& precision) {
  CompressOptions options;
  options.model = float_model(c);
  options.output = quantized_model(c);
  options.scheme = precision.scheme;
  options.pipeline = pipeline_named(c.algorithm, *precision.scheme);
  options.include_head = c.head;
  options.force = true;
  options.calibration = c.train.front();
  options.command = fmt::format("octet train {}", c.recipe.string());
  return options;
}

Calibration calibration_with(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                             const TrainConfig& c, const WorkPlace& work, Threads& threads) {
  const std::string text = calibration_of(c, options.calibration_tokens);
  if (!options.pipeline.plain()) return walk_layers(checkpoint, plan, options, text, work, threads).calibration;
  if (!options.needs_calibration()) return {};
  return {calibrate(checkpoint, plan, options, text, work.directory, threads), {}};
}

}  // namespace

std::optional<int64_t> quantized_steps(const TrainConfig& c, const Precision& precision, int64_t steps) {
  if (!precision.scheme || c.quantized_from_start) return std::nullopt;
  constexpr int64_t kMost = 100;
  return c.quantized_steps >= 0 ? c.quantized_steps : std::min(steps, kMost);
}

fs::path float_model(const TrainConfig& c) {
  return c.output / "float";
}

void compress_float_model(const TrainConfig& c, const Precision& precision, Threads& threads) {
  const CompressOptions options = options_of(c, precision);
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Plan plan = make_plan(checkpoint, options);
  compress(
      checkpoint, plan, options,
      [&](const WorkPlace& work) { return calibration_with(checkpoint, plan, options, c, work, threads); }, threads,
      [](int64_t) {});
}

std::string hash_of_models(const TrainConfig& c) {
  Sha256 hash;
  for (const fs::path& directory : {float_model(c), quantized_model(c)}) {
    for (const char* name : {"config.json", "model.safetensors"}) hash.update(MappedFile(directory / name).bytes());
  }
  return hash.hex();
}

TrainConfig quantized_config(const TrainConfig& c) {
  TrainConfig next = c;
  next.from = quantized_model(c);
  next.teacher = float_model(c);
  next.distillation_weight = next.temperature = 1;
  next.hidden_weight = 0;
  next.hidden_layers.clear();
  next.optimizer.kind = OptimizerKind::adam;
  next.weight_decay = 0;
  return next;
}

void freeze_all_but_quantized(Trainer& trainer) {
  const auto is_quantized = [&](const Parameter& p) {
    const auto& linears = trainer.model().linears;
    return std::any_of(linears.begin(), linears.end(), [&](const Weight& weight) {
      return weight.trained()->aware && weight.trained()->value.raw() == p.value.raw();
    });
  };
  std::vector<size_t> others;
  for (size_t i = 0; i < trainer.parameters().size(); ++i) {
    if (!is_quantized(trainer.parameters()[i])) others.push_back(i);
  }
  trainer.freeze(others);
}

double quantized_rate(const Trainable& model) {
  constexpr double kMoved = 1e-3;  // of the root mean square, in a step
  double squares = 0, numbers = 0;
  for (const Weight& weight : model.linears) {
    if (!weight.trained()->aware) continue;
    const Tensor& value = weight.trained()->value;
    for (int64_t i = 0; i < value.elements(); ++i) squares += static_cast<double>(value.f32()[i]) * value.f32()[i];
    numbers += static_cast<double>(value.elements());
  }
  return kMoved * std::sqrt(squares / numbers);
}

}  // namespace octet::train
