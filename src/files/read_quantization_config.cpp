#include <fmt/ranges.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/json.h"
#include "files/quantization_config.h"

namespace octet {
namespace {

constexpr const char* kSupported =
    "Octet reads compressed-tensors (INT8 and FP8), the native fp8 of DeepSeek-V3 and Qwen3-FP8, and its own";
constexpr int kMaxGroup = 1 << 24;
constexpr size_t kMaxGroups = 1000, kMaxNames = 1'000'000;

// One JSON object and where it stands, for messages: "config.json: quantization_config.config_groups.group_0".
struct Section {
  const Json& object;
  std::string where;

  bool has(const char* key) const {
    const auto found = object.find(key);
    return found != object.end() && !found->is_null();
  }
  template <typename T>
  T get(const char* key, const T& fallback) const {
    return json_value<T>(object, key, fallback, where);
  }
  std::string text(const char* key, const char* fallback = "") const { return get<std::string>(key, fallback); }
  Section at(const char* key) const { return section(object.at(key), where + "." + key); }
  [[noreturn]] void refuse(const char* key, const char* why) const {
    fail("{}.{} is {}: {}", where, key, json_text(object.at(key)), why);
  }

  static Section section(const Json& value, std::string where) {
    if (!value.is_object()) fail("{} is {}, not an object", where, json_text(value));
    return {value, std::move(where)};
  }
};

bool is_nothing(const Json& value) {
  return value.is_null() || (value.is_structured() && value.empty()) || value == false;
}

// A key that is not known may change what the numbers mean.
void check_keys(const Section& section, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : section.object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end() || is_nothing(value)) continue;
    fail("{} has the key \"{}\", which Octet does not know", section.where, printable(key, 100));
  }
}

std::vector<std::string> names(const Section& section, const char* key) {
  std::vector<std::string> result;
  if (!section.has(key)) return result;
  const Json& list = section.object.at(key);
  if (!list.is_array()) section.refuse(key, "a list of names has to be there");
  if (list.size() > kMaxNames) fail("{}.{} has more than {} names", section.where, key, kMaxNames);
  for (const auto& name : list) {
    if (!name.is_string()) fail("{}.{} has {} where a name has to be", section.where, key, json_text(name));
    result.push_back(name.get<std::string>());
  }
  return result;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// [rows, columns], or "rows x columns" as older writers have it.
std::pair<int, int> block_sizes(const Section& section, const char* key) {
  const Json& value = section.object.at(key);
  constexpr const char* kWhy = "two sizes of a block, rows and columns, have to be there";
  const auto size = [&](const Json& number) {
    if (!number.is_number_integer()) section.refuse(key, kWhy);
    const bool fits = number >= 1 && number <= kMaxGroup;
    if (!fits) section.refuse(key, kWhy);
    return number.get<int>();
  };
  if (value.is_string()) {
    int rows = 0, columns = 0, end = 0;
    const auto& text = value.get_ref<const std::string&>();
    const bool parsed = text.size() < 20 && std::sscanf(text.c_str(), "%8dx%8d%n", &rows, &columns, &end) == 2;
    if (!parsed || end != static_cast<int>(text.size())) section.refuse(key, kWhy);
    return {size(rows), size(columns)};
  }
  if (!value.is_array() || value.size() != 2) section.refuse(key, kWhy);
  return {size(value[0]), size(value[1])};
}

Format element_format(const Section& args) {
  const int bits = args.get("num_bits", 8);
  const std::string type = lower(args.text("type", "int"));
  if (type != "int" && type != "float") args.refuse("type", "the types are int and float");
  if (bits != 8) args.refuse("num_bits", "only 8 bits are read; take an INT8, FP8 or 16-bit version of the model");
  const std::string element = lower(args.text("format_element", "e4m3"));
  if (args.has("levels") && (element != "log" || args.get("levels", 0) != kLog8Levels))
    args.refuse("levels", "it belongs to the format_element log, which has 20 of them an octave");
  if (element == "codebook" && type == "float") return Format::CODEBOOK;
  if (element == "log" && type == "float") return Format::LOG8;
  if (element != "e4m3" && (element != "e5m2" || type != "float"))
    args.refuse("format_element", "it is e4m3, or for floats e5m2, log or codebook");
  if (type == "int") return Format::INT8;
  return element == "e5m2" ? Format::E5M2 : Format::E4M3;
}

// compressed-tensors lets strategy be left out.
std::string strategy_of(const Section& args, int group_size) {
  if (args.has("strategy")) return lower(args.text("strategy"));
  if (args.has("block_structure")) return "block";
  return group_size > 0 ? "group" : group_size == -1 ? "channel" : "tensor";
}

void set_granularity(Quantization& q, const Section& args) {
  const int size = args.get("group_size", 0);
  const std::string strategy = strategy_of(args, size);
  if (strategy == "tensor") {
    q.granularity = Granularity::tensor;
  } else if (strategy == "channel") {
    q.granularity = Granularity::channel;
  } else if (strategy == "token") {
    q.granularity = Granularity::token;
  } else if (strategy == "group") {
    if (size < 1 || size > kMaxGroup) fail("{}.group_size is {}: a group has at least one number", args.where, size);
    q.granularity = Granularity::group;
    q.group = size;
  } else if (strategy == "block") {
    if (!args.has("block_structure")) fail("{} has the strategy block but no block_structure", args.where);
    q.granularity = Granularity::block;
    std::tie(q.block_rows, q.group) = block_sizes(args, "block_structure");
  } else {
    args.refuse("strategy", "the strategies read are tensor, channel, token, group and block");
  }
}

Quantization read_args(const Section& args) {
  check_keys(args, {"num_bits", "type", "symmetric", "group_size", "strategy", "block_structure", "dynamic", "actorder",
                    "scale_dtype", "zp_dtype", "observer", "observer_kwargs", "format_element", "levels"});
  Quantization q;
  q.format = element_format(args);
  q.symmetric = args.get("symmetric", true);
  q.dynamic = args.get("dynamic", false);
  if (args.has("actorder")) {
    const Json& order = args.object.at("actorder");
    const std::string text = order.is_string() ? lower(order.get<std::string>()) : "";
    if (order != false && text != "weight" && text != "static") {
      args.refuse("actorder", "columns in another order (g_idx) are not read; quantize with actorder weight");
    }
  }
  set_granularity(q, args);
  if (args.has("scale_dtype")) {
    const std::string dtype = args.text("scale_dtype");
    if (dtype.find("uint8") != std::string::npos || dtype.find("e8m0") != std::string::npos)
      q.scale_format = Format::E8M0;
  }
  if (!q.symmetric && q.format != Format::INT8) args.refuse("symmetric", "only int has zero points");
  return q;
}

Quantization read_weights(const Section& args) {
  const Quantization q = read_args(args);
  if (q.granularity == Granularity::token) args.refuse("strategy", "it is for activations, not for weights");
  if (q.dynamic) args.refuse("dynamic", "weights have their scales in the checkpoint");
  return q;
}

Quantization read_activations(const Section& args) {
  Quantization q = read_args(args);
  // One range for all tokens at run time would let them change each other's numbers; vLLM takes one a token, too.
  if (q.dynamic && q.granularity == Granularity::tensor) q.granularity = Granularity::token;
  const bool known = q.dynamic ? q.granularity == Granularity::token || q.granularity == Granularity::group
                               : q.granularity == Granularity::tensor;
  if (!known) fail("{}: activations are read per token or per group if dynamic, per tensor if static", args.where);
  if (q.dynamic && !q.symmetric) args.refuse("symmetric", "zero points are read with static activations only");
  return q;
}

std::optional<Storage> storage_named(const std::string& name) {
  for (const Storage storage :
       {Storage::dense, Storage::int_quantized, Storage::float_quantized, Storage::naive_quantized,
        Storage::pack_quantized, Storage::mxfp8_quantized, Storage::codebook_quantized}) {
    if (name_of(storage) == name) return storage;
  }
  return std::nullopt;
}

// As compressed-tensors infers it.
Storage inferred_storage(const ConfigGroup& group) {
  if (!group.weights) return Storage::dense;
  if (group.weights->scale_format == Format::E8M0) return Storage::mxfp8_quantized;
  if (group.weights->format == Format::CODEBOOK) return Storage::codebook_quantized;
  if (group.weights->format == Format::INT8)
    return group.activations ? Storage::int_quantized : Storage::pack_quantized;
  return group.activations ? Storage::float_quantized : Storage::naive_quantized;
}

Storage read_storage(const Section& section, const std::string& top_format, const ConfigGroup& group) {
  const std::string format = section.text("format", top_format.c_str());
  if (format.empty() || format == "mixed-precision") return inferred_storage(group);
  const auto storage = storage_named(format);
  if (!storage) fail("{}: the format {} is not read; {}", section.where, printable(format, 100), kSupported);
  return *storage;
}

bool holds(Storage storage, Format format) {
  const bool fp8 = format == Format::E4M3 || format == Format::E5M2;
  switch (storage) {
    case Storage::pack_quantized:
    case Storage::int_quantized:
      return format == Format::INT8;
    case Storage::float_quantized:
    case Storage::mxfp8_quantized:
      return fp8;
    case Storage::codebook_quantized:
      return format == Format::CODEBOOK;
    case Storage::naive_quantized:
      return format != Format::CODEBOOK;
    default:
      return storage != Storage::dense;
  }
}

void check_group(const ConfigGroup& group, const std::string& where) {
  if (!group.weights) {
    if (group.activations) fail("{} quantizes activations but not weights, which Octet does not run", where);
    return;
  }
  const Format format = group.weights->format;
  if (group.activations && (format == Format::CODEBOOK || format == Format::LOG8)) {
    fail("{}: {} weights meet float activations only", where, format_info(format).name);
  }
  if (group.activations && group.activations->format != group.weights->format) {
    fail("{}: weights are {} and activations {}, which are not multiplied with each other", where,
         format_info(group.weights->format).name, format_info(group.activations->format).name);
  }
  const bool fits = holds(group.storage, format);
  if (!fits)
    fail("{}: the format {} does not hold {} weights", where, name_of(group.storage),
         format_info(group.weights->format).name);
  if (group.weights->granularity == Granularity::block && !group.weights->symmetric) {
    fail("{}: blocks with zero points are not read", where);
  }
}

ConfigGroup read_group(const Section& section, const std::string& top_format) {
  check_keys(section, {"format", "input_activations", "targets", "weights"});
  ConfigGroup group;
  group.targets = names(section, "targets");
  if (section.has("weights")) group.weights = read_weights(section.at("weights"));
  if (section.has("input_activations")) group.activations = read_activations(section.at("input_activations"));
  group.storage = read_storage(section, top_format, group);
  if (group.storage == Storage::mxfp8_quantized) {
    for (auto* q : {&group.weights, &group.activations}) {
      if (!*q) continue;
      if ((*q)->granularity != Granularity::group || (*q)->group != 32)
        fail("{}: MXFP8 has groups of 32 numbers", section.where);
      (*q)->scale_format = Format::E8M0;
    }
  }
  check_group(group, section.where);
  return group;
}

Quantization read_kv_cache(const Section& args) {
  const Quantization q = read_args(args);
  const bool known = q == Quantization{.format = Format::E4M3, .granularity = Granularity::tensor};
  if (!known) fail("{}: a key-value cache is read as FP8 with one static scale a tensor only", args.where);
  return q;
}

void check_absent(const Section& top, const char* key, const char* why) {
  if (!top.has(key) || is_nothing(top.object.at(key))) return;
  const Json& value = top.object.at(key);
  if (value.is_object()) {
    if (value.value("format", Json()) == "dense") return;
    const auto groups = value.find("config_groups");
    if (groups != value.end() && value.size() == 1 && is_nothing(*groups)) return;
  }
  fail("{}.{}: {}", top.where, key, why);
}

QuantizationConfig read_compressed_tensors(const Section& top, std::string method) {
  QuantizationConfig config;
  config.method = std::move(method);
  check_absent(top, "sparsity_config", "sparse checkpoints are not read; take the one before pruning was stored");
  check_absent(top, "transform_config", "checkpoints with online transforms (rotations) are not read");
  const std::string format = top.text("format");
  if (top.has("config_groups")) {
    const Section groups = top.at("config_groups");
    if (groups.object.size() > kMaxGroups) fail("{} has more than {} groups", groups.where, kMaxGroups);
    for (const auto& [name, group] : groups.object.items()) {
      config.groups.push_back(read_group(Section::section(group, groups.where + "." + printable(name, 100)), format));
    }
  }
  config.ignore = names(top, "ignore");
  if (top.has("kv_cache_scheme")) config.kv_cache = read_kv_cache(top.at("kv_cache_scheme"));
  for (const auto& group : config.groups) {
    const Format format = group.weights ? group.weights->format : Format::INT8;
    const bool own = format == Format::E5M2 || format == Format::LOG8 || format == Format::CODEBOOK;
    if (own && config.method != "octet") {
      fail("{}: {} weights are read with quant_method octet only", top.where, format_info(format).name);
    }
  }
  return config;
}

QuantizationConfig read_native_fp8(const Section& top) {
  const std::string fmt = lower(top.text("fmt", "e4m3"));
  if (fmt != "e4m3" && fmt != "float8_e4m3fn") top.refuse("fmt", "only e4m3 is read");
  const std::string activations = lower(top.text("activation_scheme", "dynamic"));
  if (activations != "dynamic" && activations != "static") top.refuse("activation_scheme", "it is dynamic or static");
  const bool is_static = activations == "static";

  ConfigGroup group{.targets = {"Linear"}, .storage = Storage::fp8_blocks};
  if (top.has("weight_block_size")) {
    const auto [rows, columns] = block_sizes(top, "weight_block_size");
    if (is_static) top.refuse("activation_scheme", "with weight_block_size it is dynamic");
    group.weights = per_block(Format::E4M3, rows, columns);
    group.activations = per_token_group(Format::E4M3, columns);
  } else {
    group.weights = per_tensor(Format::E4M3);
    group.activations = is_static ? per_tensor(Format::E4M3) : per_token(Format::E4M3);
  }
  const std::string scales = lower(top.text("scale_fmt"));
  if (scales == "ue8m0") {
    group.activations->scale_format = Format::E8M0;
  } else if (!scales.empty() && scales != "float" && scales != "fp32") {
    top.refuse("scale_fmt", "it is ue8m0 or left out");
  }

  QuantizationConfig config;
  config.method = "fp8";
  config.groups.push_back(group);
  config.ignore = names(top, top.has("ignored_layers") ? "ignored_layers" : "modules_to_not_convert");
  // Transformers never converts the head, listed or not.
  if (std::find(config.ignore.begin(), config.ignore.end(), "lm_head") == config.ignore.end())
    config.ignore.push_back("lm_head");
  return config;
}

}  // namespace

std::optional<QuantizationConfig> read_quantization_config(const Json& config, const std::string& where) {
  if (!config.is_object()) fail("{}: is not a JSON object", where);
  for (const char* key : {"quantization_config", "compression_config"}) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) continue;
    const Section top = Section::section(*found, where + ": " + key);
    const std::string method = lower(top.text("quant_method", top.has("config_groups") ? "compressed-tensors" : ""));
    if (method == "compressed-tensors" || method == "octet") return read_compressed_tensors(top, method);
    if (method == "fp8") return read_native_fp8(top);
    if (method.empty()) fail("{} has no quant_method; {}", top.where, kSupported);
    fail("{}: the quant_method {} is not read; {}", top.where, printable(method, 100), kSupported);
  }
  return std::nullopt;
}

}  // namespace octet
