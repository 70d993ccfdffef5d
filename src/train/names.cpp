#include "base/error.h"
#include "base/escape.h"
#include "train/data.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace octet::train {
namespace {

constexpr std::string_view kOptimizers[] = {"sgd", "adam", "adamw"};
constexpr std::string_view kStateFormats[] = {"f32", "fp8", "int8"};
constexpr std::string_view kDecays[] = {"constant", "linear", "cosine"};
constexpr std::string_view kDataFormats[] = {"auto", "text", "paragraphs", "lines", "jsonl", "tsv"};
constexpr std::string_view kSides[] = {"left", "right"};

template <typename T>
T find(std::span<const std::string_view> names, std::string_view name, const char* what) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw UsageError(fmt::format("{} is no {}; the names are {}", printable(name, 40), what, fmt::join(names, ", ")));
  }
  return static_cast<T>(found - names.begin());
}

}  // namespace

OptimizerKind optimizer_named(std::string_view name) {
  return find<OptimizerKind>(kOptimizers, name, "optimizer");
}
StateFormat state_format_named(std::string_view name) {
  return find<StateFormat>(kStateFormats, name, "format of an optimizer's state");
}
Decay decay_named(std::string_view name) {
  return find<Decay>(kDecays, name, "schedule of the learning rate");
}
DataFormat data_format_named(std::string_view name) {
  return find<DataFormat>(kDataFormats, name, "format of data");
}
Side side_named(std::string_view name) {
  return find<Side>(kSides, name, "side");
}
std::string_view name_of(DataFormat format) {
  return kDataFormats[static_cast<size_t>(format)];
}
std::string_view name_of(OptimizerKind kind) {
  return kOptimizers[static_cast<size_t>(kind)];
}
std::string_view name_of(StateFormat format) {
  return kStateFormats[static_cast<size_t>(format)];
}
std::string_view name_of(Decay decay) {
  return kDecays[static_cast<size_t>(decay)];
}

}  // namespace octet::train
