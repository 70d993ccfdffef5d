#include "base/error.h"
#include "base/json.h"
#include "files/quantization_config.h"

namespace octet {
namespace {

constexpr const char* kVersion = "0.18.0";  // of compressed-tensors, whose keys these are

std::string_view strategy_name(Granularity granularity) {
  switch (granularity) {
    case Granularity::tensor:
      return "tensor";
    case Granularity::channel:
      return "channel";
    case Granularity::token:
      return "token";
    case Granularity::group:
      return "group";
    case Granularity::block:
      return "block";
  }
  return "";
}

// scale_dtype and zp_dtype are left out where they are null: readers older than them refuse keys they do not know.
Json args(const std::optional<Quantization>& q, const char* observer) {
  if (!q) return nullptr;
  const bool grouped = q->granularity == Granularity::group, blocked = q->granularity == Granularity::block;
  Json result = {{"actorder", nullptr},
                 {"block_structure", blocked ? Json{q->block_rows, q->group} : Json()},
                 {"dynamic", q->dynamic},
                 {"group_size", grouped ? Json(q->group) : Json()},
                 {"num_bits", 8},
                 {"observer", q->dynamic ? Json() : Json(observer)},
                 {"observer_kwargs", Json::object()},
                 {"strategy", strategy_name(q->granularity)},
                 {"symmetric", q->symmetric},
                 {"type", q->format == Format::INT8 ? "int" : "float"}};
  if (q->scale_format == Format::E8M0) result["scale_dtype"] = "torch.uint8";
  if (!q->symmetric) result["zp_dtype"] = "torch.int8";
  if (q->format == Format::E5M2) result["format_element"] = "e5m2";
  if (q->format == Format::CODEBOOK) result["format_element"] = "codebook";
  if (q->format == Format::LOG8) result["format_element"] = "log", result["levels"] = kLog8Levels;
  return result;
}

bool is_octets_own(const ConfigGroup& group) {
  return group.weights && (group.weights->format == Format::E5M2 || group.weights->format == Format::LOG8 ||
                           group.weights->format == Format::CODEBOOK);
}

std::string common_format(const std::vector<ConfigGroup>& groups) {
  if (groups.empty()) return "dense";
  const auto other = [&](const auto& group) { return group.storage != groups[0].storage; };
  if (std::any_of(groups.begin(), groups.end(), other)) return "mixed-precision";
  return std::string(name_of(groups[0].storage));
}

Json native_fp8(const QuantizationConfig& config) {
  const ConfigGroup& group = config.groups.at(0);
  Json result = {{"activation_scheme", group.activations && !group.activations->dynamic ? "static" : "dynamic"},
                 {"fmt", "e4m3"},
                 {"modules_to_not_convert", config.ignore},
                 {"quant_method", "fp8"}};
  if (group.weights && group.weights->granularity == Granularity::block) {
    result["weight_block_size"] = {group.weights->block_rows, group.weights->group};
  }
  if (group.activations && group.activations->scale_format == Format::E8M0) result["scale_fmt"] = "ue8m0";
  return result;
}

}  // namespace

Json write_quantization_config(const QuantizationConfig& config) {
  if (config.method == "fp8") return native_fp8(config);
  Json groups = Json::object();
  bool octet = config.method == "octet";
  for (size_t i = 0; i < config.groups.size(); ++i) {
    const ConfigGroup& group = config.groups[i];
    if (group.storage == Storage::fp8_blocks) fail("the layout of quant_method fp8 does not fit {}", config.method);
    octet = octet || is_octets_own(group);
    groups[fmt::format("group_{}", i)] = {{"format", name_of(group.storage)},
                                          {"input_activations", args(group.activations, "static_minmax")},
                                          {"output_activations", nullptr},
                                          {"targets", group.targets},
                                          {"weights", args(group.weights, "memoryless_minmax")}};
  }
  return {{"config_groups", groups},
          {"format", common_format(config.groups)},
          {"global_compression_ratio", nullptr},
          {"ignore", config.ignore},
          {"kv_cache_scheme", args(config.kv_cache, "memoryless_minmax")},
          {"quant_method", octet ? "octet" : "compressed-tensors"},
          {"quantization_status", "compressed"},
          {"sparsity_config", Json::object()},
          {"transform_config", Json::object()},
          {"version", kVersion}};
}

}  // namespace octet
