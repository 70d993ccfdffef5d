#include "train/initial_weights.h"

#include <cstring>
#include <numbers>

#include "base/error.h"
#include "base/json.h"
#include "files/checkpoint.h"
#include "files/quantization_config.h"
#include "numeric/random.h"

namespace octet::train {
namespace {

constexpr std::string_view kWeight = ".weight";

bool is_plain(const Checkpoint& checkpoint, const std::string& name) {
  if (!checkpoint.has(name)) return false;
  const DType dtype = checkpoint.info(name).dtype;
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

/// Numbers of a normal distribution by Box and Muller 1958.
Tensor normal_numbers(const Shape& shape, uint64_t seed, uint32_t number, double deviation) {
  Tensor x(shape);
  const RandomStream random(seed, 0, number);
  for (int64_t i = 0; i < x.elements(); i += 2) {
    const auto words = random.block(static_cast<uint64_t>(i / 2));
    const double u = (words[0] + 1.0) * 0x1p-32, angle = 2 * std::numbers::pi * words[1] * 0x1p-32;
    const double radius = deviation * std::sqrt(-2 * std::log(u));
    x.f32()[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < x.elements()) x.f32()[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return x;
}

/// Training would blame the learning rate for what was broken before.
void check_finite(const Tensor& x, const Checkpoint& checkpoint, const std::string& name) {
  int64_t broken = 0;
  for (int64_t i = 0; i < x.elements(); ++i) broken += !std::isfinite(x.f32()[i]);
  if (broken == 0) return;
  const std::string stored = checkpoint.has(name) ? name : name.substr(0, name.size() - kWeight.size());
  const std::string file = checkpoint.has(name) ? checkpoint.where(name) : checkpoint.directory().string();
  fail("{}: tensor {}: {} of its {} numbers are NaN or infinite; nothing can be trained from it", file, stored, broken,
       x.elements());
}

}  // namespace

TrainableParts new_parts(uint64_t seed, double range, int64_t layers) {
  const double residual = range / std::sqrt(2.0 * static_cast<double>(layers));
  auto number = std::make_shared<uint32_t>(0);
  TrainableParts parts;
  parts.values = [=](const std::string& name, const Shape& shape) {
    const uint32_t tensor = (*number)++;
    if (shape.size() > 1) {
      const bool writes = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
      return normal_numbers(shape, seed, tensor, writes ? residual : range);
    }
    Tensor x(shape);
    std::fill(x.f32(), x.f32() + x.elements(), name.ends_with("bias") ? 0.0f : 1.0f);
    return x;
  };
  return parts;
}

TrainableParts new_classifier_parts(const ClassifierKind& kind, uint64_t seed, const Json& config,
                                    const std::string& where) {
  const auto range = json_value<double>(config, "initializer_range", kind.encoder ? 0.02 : 0.1, where);
  if (kind.encoder) return new_parts(seed, range, 1);
  auto number = std::make_shared<uint32_t>(0);
  TrainableParts parts;
  parts.values = [=](const std::string& name, const Shape& shape) {
    const uint32_t tensor = (*number)++;
    if (shape.size() > 1) {
      const bool table = name.starts_with("embedding");
      return normal_numbers(shape, seed, tensor, table ? range : 1 / std::sqrt(static_cast<double>(shape[1])));
    }
    Tensor x = Tensor::zeros(shape);
    const int64_t h = x.elements() / 4;
    if (name == "lstm.bias_ih_l0") std::fill(x.f32() + h, x.f32() + 2 * h, 1.0f);  // gates i, f, g, o
    return x;
  };
  return parts;
}

std::function<std::optional<QTensor>(const std::string& module)> codes_of(const std::filesystem::path& directory) {
  const auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(directory));
  const std::string where = (directory / "config.json").string();
  const auto config = read_quantization_config(parse_json(checkpoint->config_text(), where), where);
  return [checkpoint, config](const std::string& module) -> std::optional<QTensor> {
    const ConfigGroup* group = config ? config->group_of(module) : nullptr;
    if (!group || !group->weights || is_plain(*checkpoint, module + std::string(kWeight))) return std::nullopt;
    return read_qtensor(*checkpoint, module, *group);
  };
}

TrainableParts parts_from(const std::filesystem::path& directory) {
  const auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(directory));
  TrainableParts parts;
  parts.values = [checkpoint, directory, codes = codes_of(directory)](const std::string& name, const Shape& shape) {
    const auto q = name.ends_with(kWeight) ? codes(name.substr(0, name.size() - kWeight.size())) : std::nullopt;
    if (q) check_codes(*q, fmt::format("{}: tensor {}", directory.string(), name));
    const Tensor stored = q ? dequantize(*q) : checkpoint->tensor(name);
    if (stored.shape() != shape)
      fail("{}: tensor {} has shape {}, not {}", directory.string(), name, text_of(stored.shape()), text_of(shape));
    const Tensor wide = to_f32(stored);
    check_finite(wide, *checkpoint, name);
    Tensor own(shape);
    std::memcpy(own.raw(), wide.raw(), static_cast<size_t>(wide.bytes()));
    if (!q) checkpoint->drop(name);
    return own;
  };
  return parts;
}

}  // namespace octet::train
