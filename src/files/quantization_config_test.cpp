#include "files/quantization_config.h"

#include <chrono>

#include "base/json.h"
#include "files/files_for_tests.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
const fs::path kGolden = fs::path(OCTET_GOLDEN_DIR) / "files";

QuantizationConfig config_of(const Scheme& scheme) {
  QuantizationConfig config;
  config.groups = {{{"Linear"}, scheme.weights, scheme.activations, scheme.storage}};
  config.ignore = {"lm_head"};
  return config;
}

// Written by compressed-tensors with keys that older readers refuse even when they are null.
Json without_null_dtypes(Json value) {
  if (!value.is_object()) return value;
  for (const char* key : {"scale_dtype", "zp_dtype"}) {
    if (value.contains(key) && value[key].is_null()) value.erase(key);
  }
  for (auto& [key, child] : value.items()) child = without_null_dtypes(child);
  return value;
}

QuantizationConfig read(std::string_view text) {
  auto config = read_quantization_config(parse_json(fmt::format("{{\"quantization_config\":{}}}", text), "config.json"),
                                         "config.json");
  EXPECT_TRUE(config);
  return *config;
}

void expect_refused(std::string_view text, std::initializer_list<std::string_view> parts) {
  expect_error([&] { read(text); }, {"config.json", "quantization_config"});
  expect_error([&] { read(text); }, parts);
}

// A config of one group with these weights and activations.
std::string with_args(std::string_view weights, std::string_view activations = "null", std::string_view rest = "") {
  return fmt::format(R"({{"quant_method":"compressed-tensors",{}"config_groups":{{"group_0":{{"targets":["Linear"],)"
                     R"("weights":{},"input_activations":{}}}}}}})",
                     rest, weights, activations);
}

TEST(QuantizationConfig, IsWrittenAsCompressedTensorsWritesIt) {
  for (const Scheme& scheme : kSchemes) {
    if (scheme.octet_only || !scheme.weights) continue;
    std::string file(scheme.name);
    for (char& c : file) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const Json golden = read_json(kGolden / "config" / (file + ".json"))["quantization_config"];
    EXPECT_EQ(write_quantization_config(config_of(scheme)), without_null_dtypes(golden)) << scheme.name;
  }
  QuantizationConfig with_cache = config_of(scheme_named("FP8"));
  with_cache.kv_cache = per_tensor(Format::E4M3);
  EXPECT_EQ(write_quantization_config(with_cache),
            without_null_dtypes(read_json(kGolden / "config/fp8_kv.json")["quantization_config"]));
}

TEST(QuantizationConfig, IsReadAsItWasWritten) {
  for (const Scheme& scheme : kSchemes) {
    if (!scheme.weights) continue;
    QuantizationConfig config = config_of(scheme);
    config.kv_cache = per_tensor(Format::E4M3);
    const Json written = write_quantization_config(config);
    EXPECT_EQ(written["quant_method"], scheme.octet_only ? "octet" : "compressed-tensors");
    const QuantizationConfig back = read(written.dump());
    ASSERT_EQ(back.groups.size(), 1u);
    EXPECT_EQ(back.groups[0].weights, scheme.weights) << scheme.name;
    EXPECT_EQ(back.groups[0].activations, scheme.activations) << scheme.name;
    EXPECT_EQ(back.groups[0].storage, scheme.storage) << scheme.name;
    EXPECT_EQ(back.groups[0].targets, config.groups[0].targets);
    EXPECT_EQ(back.ignore, config.ignore);
    EXPECT_EQ(back.kv_cache, config.kv_cache);
  }
}

TEST(QuantizationConfig, IsAbsentFromAPlainModel) {
  EXPECT_FALSE(read_quantization_config(parse_json("{}", "c"), "c"));
  EXPECT_FALSE(read_quantization_config(parse_json(R"({"quantization_config":null})", "c"), "c"));
  expect_error([] { read_quantization_config(parse_json("[]", "c.json"), "c.json"); }, {"c.json"});
}

TEST(QuantizationConfig, KeepsSeveralGroupsAsMixedPrecision) {
  QuantizationConfig config = config_of(scheme_named("W8A16"));
  config.groups.push_back(config_of(scheme_named("FP8_DYNAMIC")).groups[0]);
  config.groups[1].targets = {"model.layers.0.mlp.down_proj"};
  const Json written = write_quantization_config(config);
  EXPECT_EQ(written["format"], "mixed-precision");
  const QuantizationConfig back = read(written.dump());
  EXPECT_EQ(back.group_of("model.layers.0.mlp.down_proj")->storage, Storage::float_quantized);
  EXPECT_EQ(back.group_of("model.layers.0.mlp.up_proj")->storage, Storage::pack_quantized);
}

TEST(QuantizationConfig, PrefersTheNameToThePatternToTheClass) {
  QuantizationConfig config;
  const auto group = [](std::string target, int size) {
    return ConfigGroup{{std::move(target)}, per_group(Format::INT8, size)};
  };
  config.groups = {group("Linear", 1), group("re:.*down_proj", 2), group("layers.0.down_proj", 3)};
  EXPECT_EQ(config.group_of("layers.0.down_proj")->weights->group, 3);
  EXPECT_EQ(config.group_of("layers.1.down_proj")->weights->group, 2);
  EXPECT_EQ(config.group_of("layers.1.up_proj")->weights->group, 1);
  config.groups.erase(config.groups.begin());
  EXPECT_EQ(config.group_of("layers.1.up_proj"), nullptr);
}

TEST(QuantizationConfig, MatchesPatternsFromTheStartLikePython) {
  QuantizationConfig config = config_of(scheme_named("W8A8"));
  config.ignore = {"re:mlp", R"(re:.*\.(gate|router)$)", "model.layers.3.mlp.up_proj", "re:(?P<all>vision).*"};
  EXPECT_EQ(config.group_of("mlp.up_proj"), nullptr);
  EXPECT_NE(config.group_of("model.mlp.up_proj"), nullptr);
  EXPECT_EQ(config.group_of("model.layers.0.gate"), nullptr);
  EXPECT_NE(config.group_of("model.layers.0.gate_proj"), nullptr);
  EXPECT_EQ(config.group_of("model.layers.3.mlp.up_proj"), nullptr);
  EXPECT_NE(config.group_of("model.layers.3.mlp.up_proj2"), nullptr);
  EXPECT_EQ(config.group_of("vision.q"), nullptr);
  config.ignore = {"Linear"};
  EXPECT_EQ(config.group_of("model.mlp.up_proj"), nullptr);
}

TEST(QuantizationConfig, RefusesHostilePatternsQuickly) {
  QuantizationConfig config = config_of(scheme_named("W8A8"));
  std::string name(2000, 'a');
  name.push_back('!');
  for (const char* pattern : {"re:(a+)+$", "re:(.*)*x", "re:(a|aa)+$", "re:((((a*)*)*)*)*b"}) {
    config.ignore = {pattern};
    const auto begin = std::chrono::steady_clock::now();
    try {
      config.group_of(name);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(pattern + 3), std::string::npos);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << pattern;
  }
  for (const std::string& pattern : {std::string("re:("), "re:" + std::string(60'000, '('), std::string("re:[z-a]"),
                                     std::string("re:((a{1000}){1000}){1000}"), std::string("re:\xff")}) {
    config.ignore = {pattern};
    expect_error([&] { config.group_of("a"); }, {"the pattern"});
  }
}

TEST(QuantizationConfig, UnderstandsOlderWriters) {
  // No strategy: by the group size. No format anywhere: inferred. Defaults left out, as the newest writers do too.
  auto config = read(with_args(R"({"num_bits":8,"group_size":-1})"));
  EXPECT_EQ(config.groups[0].weights, per_channel(Format::INT8));
  EXPECT_EQ(config.groups[0].storage, Storage::pack_quantized);
  config = read(with_args(R"({"group_size":64})"));
  EXPECT_EQ(config.groups[0].weights, per_group(Format::INT8, 64));
  config = read(with_args(R"({"type":"float"})", R"({"type":"float","dynamic":true})"));
  EXPECT_EQ(config.groups[0].weights, per_tensor(Format::E4M3));
  EXPECT_EQ(config.groups[0].activations, per_token(Format::E4M3));
  EXPECT_EQ(config.groups[0].storage, Storage::float_quantized);
  config = read(with_args(R"({"type":"float","strategy":"channel"})"));
  EXPECT_EQ(config.groups[0].storage, Storage::naive_quantized);
  config = read(with_args(R"({"type":"float","strategy":"block","block_structure":"64x32"})"));
  EXPECT_EQ(config.groups[0].weights, per_block(Format::E4M3, 64, 32));
  config = read(with_args(R"({"strategy":"group","group_size":128,"actorder":"weight"})", "null",
                          R"("format":"int-quantized",)"));
  EXPECT_EQ(config.groups[0].storage, Storage::int_quantized);
  config = read(
      with_args(R"({"type":"float","strategy":"group","group_size":32})", "null", R"("format":"mxfp8-quantized",)"));
  EXPECT_EQ(config.groups[0].weights->scale_format, Format::E8M0);
  EXPECT_TRUE(read_quantization_config(
      parse_json(R"({"compression_config":{"config_groups":{},"quantization_status":"frozen","sparsity_config":null}})",
                 "c"),
      "c"));
}

TEST(QuantizationConfig, ReadsTheNativeBlockFormat) {
  const auto config =
      read(R"({"activation_scheme":"dynamic","fmt":"e4m3","quant_method":"fp8","weight_block_size":[128,64],)"
           R"("modules_to_not_convert":["model.layers.0.mlp.gate","visual"]})");
  EXPECT_EQ(config.groups[0].weights, per_block(Format::E4M3, 128, 64));
  EXPECT_EQ(config.groups[0].activations, per_token_group(Format::E4M3, 64));
  EXPECT_EQ(config.groups[0].storage, Storage::fp8_blocks);
  EXPECT_EQ(config.group_of("lm_head"), nullptr);
  EXPECT_EQ(config.group_of("model.layers.0.mlp.gate"), nullptr);
  EXPECT_EQ(config.group_of("visual.blocks.0.q"), nullptr);
  EXPECT_NE(config.group_of("model.layers.0.mlp.gate_proj"), nullptr);
  const auto again = read(write_quantization_config(config).dump());
  EXPECT_EQ(again.groups[0].weights, config.groups[0].weights);
  EXPECT_EQ(again.ignore, config.ignore);
}

TEST(QuantizationConfig, ReadsTheNativeFormatPerTensor) {
  auto config = read(R"({"activation_scheme":"static","quant_method":"fp8","ignored_layers":["a"]})");
  EXPECT_EQ(config.groups[0].weights, per_tensor(Format::E4M3));
  EXPECT_EQ(config.groups[0].activations, per_tensor(Format::E4M3));
  EXPECT_EQ(config.group_of("a"), nullptr);
  config = read(R"({"quant_method":"fp8","scale_fmt":"ue8m0","weight_block_size":[128,128]})");
  EXPECT_EQ(config.groups[0].activations->scale_format, Format::E8M0);
  EXPECT_EQ(config.groups[0].weights->scale_format, Format::F32);
}

TEST(QuantizationConfig, RefusesOtherMethodsByName) {
  for (const char* method : {"gptq", "awq", "bitsandbytes", "mxfp4", "hqq", "fbgemm_fp8"}) {
    expect_refused(fmt::format(R"({{"quant_method":"{}","bits":4}})", method), {method, "compressed-tensors", "fp8"});
  }
  expect_refused("{}", {"no quant_method"});
  expect_refused(R"({"quant_method":"x\u001b[2J"})", {"x\\x1b[2j"});
  expect_refused("7", {"is 7, not an object"});
  expect_refused(R"({"quant_method":7})", {"quant_method is 7"});
}

TEST(QuantizationConfig, RefusesArgumentsItDoesNotKnow) {
  expect_refused(with_args(R"({"num_bits":4})"), {"group_0.weights.num_bits is 4", "8 bits"});
  expect_refused(with_args(R"({"num_bits":"8"})"), {"num_bits is \"8\""});
  expect_refused(with_args(R"({"type":"bool"})"), {"type is \"bool\""});
  expect_refused(with_args(R"({"strategy":"attn_head"})"), {"strategy is \"attn_head\""});
  expect_refused(with_args(R"({"strategy":"tensor_group","group_size":16})"), {"tensor_group"});
  expect_refused(with_args(R"({"strategy":"token"})"), {"strategy", "for activations"});
  expect_refused(with_args(R"({"dynamic":true})"), {"dynamic is true"});
  expect_refused(with_args(R"({"dynamic":"local"})"), {"dynamic is \"local\""});
  expect_refused(with_args(R"({"actorder":"group"})"), {"actorder is \"group\"", "actorder weight"});
  expect_refused(with_args(R"({"zzz":1})"), {"\"zzz\""});
  expect_refused(with_args(R"({"type":"float","symmetric":false})"), {"symmetric is false"});
  for (const char* size : {"0", "-1", "-128", "2000000000", "1.5", "99999999999999999999"}) {
    expect_refused(with_args(fmt::format(R"({{"strategy":"group","group_size":{}}})", size)), {"group_size"});
  }
  for (const char* block :
       {"[0,128]", "[128]", "[-1,1]", "[1,2,3]", "\"128\"", "\"1x\"", "{}", "[1.5,2]", "[99999999999,1]", "null"}) {
    expect_refused(with_args(fmt::format(R"({{"strategy":"block","block_structure":{}}})", block)),
                   {"block_structure"});
  }
}

TEST(QuantizationConfig, KnowsNonLinearCodesAsOctetsOwn) {
  const auto octet = [](std::string_view weights, std::string_view activations = "null") {
    return fmt::format(R"({{"quant_method":"octet","config_groups":{{"g":{{"targets":["Linear"],"weights":{},)"
                       R"("input_activations":{}}}}}}})",
                       weights, activations);
  };
  const std::string_view log = R"({"type":"float","strategy":"channel","format_element":"log","levels":20})";
  const std::string_view codebook = R"({"type":"float","strategy":"channel","format_element":"codebook"})";
  EXPECT_EQ(read(octet(log)).groups[0].weights, per_channel(Format::LOG8));
  EXPECT_EQ(read(octet(codebook)).groups[0].storage, Storage::codebook_quantized);
  expect_refused(with_args(codebook), {"CODEBOOK", "quant_method octet only"});
  expect_refused(octet(R"({"type":"float","format_element":"log","levels":8})"), {"levels is 8", "20"});
  expect_refused(octet(R"({"type":"int","format_element":"codebook"})"), {"format_element"});
  expect_refused(octet(log, R"({"type":"float","dynamic":true})"), {"LOG8", "float activations only"});
}

TEST(QuantizationConfig, RefusesCombinationsItDoesNotRun) {
  expect_refused(with_args("{}", R"({"type":"float","dynamic":true,"strategy":"token"})"), {"INT8", "E4M3"});
  expect_refused(with_args("null", R"({"dynamic":true,"strategy":"token"})"), {"activations but not weights"});
  expect_refused(with_args("{}", R"({"strategy":"token"})"), {"input_activations"});
  expect_refused(with_args("{}", R"({"strategy":"token","dynamic":true,"symmetric":false})"), {"symmetric"});
  expect_refused(with_args("{}", "null", R"("format":"float-quantized",)"), {"float-quantized", "INT8"});
  expect_refused(with_args(R"({"type":"float"})", "null", R"("format":"pack-quantized",)"), {"pack-quantized", "E4M3"});
  expect_refused(with_args("{}", "null", R"("format":"nvfp4-pack-quantized",)"), {"nvfp4-pack-quantized"});
  expect_refused(with_args(R"({"type":"float","format_element":"e5m2"})"), {"E5M2", "octet"});
  expect_refused(with_args("{}", "null", R"("sparsity_config":{"format":"sparse-24-bitmask"},)"), {"sparsity_config"});
  expect_refused(with_args("{}", "null", R"("transform_config":{"config_groups":{"r":{}}},)"), {"transform_config"});
  expect_refused(with_args("{}", "null", R"("kv_cache_scheme":{"num_bits":8,"type":"int"},)"), {"kv_cache_scheme"});
  expect_refused(with_args("{}", "null", R"("kv_cache_scheme":{"type":"float","strategy":"attn_head"},)"),
                 {"attn_head"});
  expect_refused(R"({"quant_method":"fp8","fmt":"e4m3fnuz"})", {"fmt is \"e4m3fnuz\""});
  expect_refused(R"({"quant_method":"fp8","weight_block_size":[0,128]})", {"weight_block_size"});
  expect_refused(R"({"quant_method":"fp8","activation_scheme":"x"})", {"activation_scheme"});
  expect_refused(R"({"quant_method":"compressed-tensors","config_groups":[]})", {"config_groups is []"});
  expect_refused(R"({"quant_method":"compressed-tensors","config_groups":{"g":{"targets":"Linear"}}})",
                 {"targets is \"Linear\""});
  expect_refused(R"({"quant_method":"compressed-tensors","ignore":[1]})", {"ignore has 1"});
  expect_refused(R"({"quant_method":"compressed-tensors","config_groups":{"g":{"output_activations":{"num_bits":8}}}})",
                 {"output_activations"});
}

}  // namespace
}  // namespace octet
