#include "compress/compress.h"

#include "compress/compress_for_tests.h"
#include "compress/matrix_source.h"
#include "compress/modules.h"
#include "quant/quantize.h"

namespace octet {
namespace {

constexpr const char* kUp = "model.layers.1.mlp.up_proj";

void expect_tensor(const Checkpoint& c, const std::string& name, DType dtype, const Shape& shape) {
  ASSERT_TRUE(c.has(name)) << name;
  EXPECT_EQ(c.info(name).dtype, dtype) << name;
  EXPECT_EQ(c.info(name).shape, shape) << name;
}

QTensor quantized(const Checkpoint& c, std::string_view module) {
  const auto config = read_quantization_config(parse_json(c.config_text(), "config"), "config");
  return read_qtensor(c, module, *config->group_of(module));
}

TEST(Compress, WritesEverySchemeAsFormatsHaveIt) {
  struct Expected {
    const char *scheme, *codes;
    DType dtype;
    Shape codes_shape;
    DType scales;
    Shape scales_shape;
    const char* format;
  };
  const Expected expected[] = {
      {"W8A8", "weight", DType::I8, {256, 128}, DType::BF16, {256, 1}, "int-quantized"},
      {"W8A8_STATIC", "weight", DType::I8, {256, 128}, DType::BF16, {256, 1}, "int-quantized"},
      {"W8A8_ASYM", "weight", DType::I8, {256, 128}, DType::BF16, {256, 1}, "int-quantized"},
      {"W8A16", "weight_packed", DType::I32, {256, 32}, DType::BF16, {256, 1}, "pack-quantized"},
      {"W8A16_CHANNEL", "weight_packed", DType::I32, {256, 32}, DType::BF16, {256, 1}, "pack-quantized"},
      {"FP8", "weight", DType::F8_E4M3, {256, 128}, DType::BF16, {1}, "float-quantized"},
      {"FP8_DYNAMIC", "weight", DType::F8_E4M3, {256, 128}, DType::BF16, {256, 1}, "float-quantized"},
      {"FP8_BLOCK", "weight", DType::F8_E4M3, {256, 128}, DType::BF16, {2, 1}, "float-quantized"},
      {"FP8A16", "weight", DType::F8_E4M3, {256, 128}, DType::BF16, {256, 1}, "naive-quantized"},
      {"MXFP8", "weight", DType::F8_E4M3, {256, 128}, DType::U8, {256, 4}, "mxfp8-quantized"},
      {"MXFP8A16", "weight", DType::F8_E4M3, {256, 128}, DType::U8, {256, 4}, "mxfp8-quantized"},
      {"FP8_E5M2", "weight", DType::F8_E5M2, {256, 128}, DType::BF16, {1}, "float-quantized"},
      {"FP8_DYNAMIC_E5M2", "weight", DType::F8_E5M2, {256, 128}, DType::BF16, {256, 1}, "float-quantized"},
      {"FP8_BLOCK_E5M2", "weight", DType::F8_E5M2, {256, 128}, DType::BF16, {2, 1}, "float-quantized"},
      {"LOG8A16", "weight", DType::U8, {256, 128}, DType::BF16, {256, 1}, "naive-quantized"},
      {"CODEBOOK8A16", "weight", DType::U8, {256, 128}, DType::BF16, {256, 1}, "codebook-quantized"},
  };
  const TinyModel model;
  for (const Expected& e : expected) {
    SCOPED_TRACE(e.scheme);
    const Scheme& scheme = scheme_named(e.scheme);
    compress_with(model.options(e.scheme, e.scheme));
    const Checkpoint c = Checkpoint::open(model.out(e.scheme));
    const std::string up = kUp;
    expect_tensor(c, up + "." + e.codes, e.dtype, e.codes_shape);
    expect_tensor(c, up + ".weight_scale", e.scales, e.scales_shape);
    EXPECT_EQ(c.has(up + ".input_scale"), scheme.needs_calibration());
    EXPECT_EQ(c.has(up + ".input_zero_point"), std::string(e.scheme) == "W8A8_ASYM");
    EXPECT_FALSE(c.has(up + ".weight_zero_point"));
    EXPECT_EQ(c.has(up + ".weight_codebook"), std::string(e.scheme) == "CODEBOOK8A16");
    const Json q = config_of(model.out(e.scheme)).at("quantization_config");
    EXPECT_EQ(q.at("format"), e.format);
    EXPECT_EQ(q.at("ignore"), Json::array({"lm_head"}));
    EXPECT_EQ(q.at("quant_method"), scheme.octet_only ? "octet" : "compressed-tensors");
    EXPECT_EQ(quantized(c, up).weights, *scheme.weights);
    EXPECT_EQ(read_file(model.out(e.scheme) / "notes.txt"), "kept");
  }
}

TEST(Compress, WritesTheCodesOfQuantize) {
  const TinyModel model;
  Threads threads(1);
  const Tensor w = Checkpoint::open(model.path()).tensor(std::string(kUp) + ".weight");
  for (const char* name :
       {"W8A8", "W8A16", "FP8_DYNAMIC", "FP8_BLOCK", "MXFP8", "FP8_DYNAMIC_E5M2", "LOG8A16", "CODEBOOK8A16"}) {
    compress_with(model.options(name, name));
    const QTensor made = quantized(Checkpoint::open(model.out(name)), kUp);
    const QTensor expected = quantize(w, *scheme_named(name).weights, {}, threads);
    EXPECT_EQ(std::memcmp(made.codes.raw(), expected.codes.raw(), static_cast<size_t>(expected.codes.bytes())), 0)
        << name;
    EXPECT_EQ(std::memcmp(made.scales.raw(), expected.scales.raw(), static_cast<size_t>(expected.scales.bytes())), 0)
        << name;
    ASSERT_EQ(made.table.empty(), expected.table.empty()) << name;
    if (made.table.empty()) continue;  // CODEBOOK alone has one
    ASSERT_EQ(made.table.elements(), expected.table.elements());
    for (int64_t i = 0; i < expected.table.elements(); ++i) EXPECT_EQ(made.table.f32()[i], expected.table.f32()[i]);
  }
}

TEST(Compress, CopiesWhatIsNotLinearByteForByte) {
  const TinyModel model;
  compress_with(model.options("W8A8"));
  const Checkpoint before = Checkpoint::open(model.path()), after = Checkpoint::open(model.out("out"));
  for (const std::string name :
       {"model.embed_tokens.weight", "model.layers.0.input_layernorm.weight", "model.norm.weight"}) {
    expect_tensor(after, name, before.info(name).dtype, before.info(name).shape);
    EXPECT_EQ(
        std::memcmp(before.tensor(name).raw(), after.tensor(name).raw(), static_cast<size_t>(before.info(name).bytes)),
        0);
  }
  EXPECT_FALSE(after.has("lm_head.weight"));
}

// A header may have any length, and with it the numbers any address.
TEST(Compress, GivesTheSameBytesForNumbersAtOddAddresses) {
  for (const DType dtype : {DType::BF16, DType::F32}) {
    TinyShape shape;
    shape.vocabulary = 5000;  // more than a piece
    shape.tied = false;
    shape.dtype = dtype;
    const TinyModel model(shape);
    for (const char* scheme : {"W8A8", "FP8", "UNQUANTIZED"}) compress_with(model.options(scheme, scheme));
    const std::string file = read_file(model.path() / "model.safetensors");
    uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    for (const uint64_t spaces : {1, 2}) {
      const uint64_t padded = length + spaces;
      const std::string head(reinterpret_cast<const char*>(&padded), 8);
      write_bytes(model.path() / "model.safetensors",
                  head + file.substr(8, length) + std::string(spaces, ' ') + file.substr(8 + length));
      for (const char* scheme : {"W8A8", "FP8", "UNQUANTIZED"}) {
        const std::string out = fmt::format("{}-{}", scheme, spaces);
        compress_with(model.options(scheme, out));
        EXPECT_EQ(read_file(model.out(out) / "model.safetensors"), read_file(model.out(scheme) / "model.safetensors"))
            << out;
      }
    }
  }
}

TEST(Compress, GivesTheSameBytesForAnyNumberOfThreads) {
  const TinyModel model({.layers = 1, .hidden = 256, .intermediate = 4096, .heads = 8});
  for (const char* name : {"W8A8", "FP8", "FP8_BLOCK", "W8A16"}) {
    compress_with(model.options(name, std::string(name) + "1"), 1);
    compress_with(model.options(name, std::string(name) + "7"), 7);
    for (const char* file : {"model.safetensors", "config.json", "octet.json"}) {
      EXPECT_EQ(read_file(model.out(std::string(name) + "1") / file),
                read_file(model.out(std::string(name) + "7") / file))
          << name << file;
    }
  }
}

TEST(Compress, SharesOneScaleWhereProjectionsAreFused) {
  const TinyModel model;
  compress_with(model.options("FP8"));
  const Checkpoint c = Checkpoint::open(model.out("out"));
  const auto scale = [&](const std::string& module) {
    return quantized(c, "model.layers.0." + module).scales.f32()[0];
  };
  EXPECT_EQ(scale("self_attn.q_proj"), scale("self_attn.k_proj"));
  EXPECT_EQ(scale("self_attn.q_proj"), scale("self_attn.v_proj"));
  EXPECT_EQ(scale("mlp.gate_proj"), scale("mlp.up_proj"));
  float amax = 0;
  for (const char* name : {"gate", "up"}) {
    const Tensor w =
        to_f32(Checkpoint::open(model.path()).tensor(fmt::format("model.layers.0.mlp.{}_proj.weight", name)));
    for (int64_t i = 0; i < w.elements(); ++i) amax = std::max(amax, std::abs(w.f32()[i]));
  }
  EXPECT_EQ(scale("mlp.up_proj"), bf16_to_float(float_to_bf16(amax / 448.0f)));
  EXPECT_EQ(quantized(c, "model.layers.0.mlp.up_proj").input_scale, bf16_to_float(float_to_bf16(5.0f / 448.0f)));
}

TEST(Compress, UnquantizedGivesBf16NumbersOfCompressedTensors) {
  const TinyModel model;
  for (const char* name : {"W8A8", "W8A16", "FP8", "FP8_BLOCK", "MXFP8", "FP8_DYNAMIC_E5M2"}) {
    SCOPED_TRACE(name);
    compress_with(model.options(name, name));
    CompressOptions back = model.options("UNQUANTIZED", std::string(name) + "-back");
    back.model = model.out(name);
    compress_with(back);
    const Checkpoint plain = Checkpoint::open(back.output);
    EXPECT_FALSE(config_of(back.output).contains("quantization_config"));
    EXPECT_EQ(plain.names().size(), Checkpoint::open(model.path()).names().size());
    const Tensor expected = from_f32(dequantize(quantized(Checkpoint::open(model.out(name)), kUp)), DType::BF16);
    const Tensor w = plain.tensor(std::string(kUp) + ".weight");
    ASSERT_EQ(w.dtype(), DType::BF16);
    EXPECT_EQ(std::memcmp(w.raw(), expected.raw(), static_cast<size_t>(expected.bytes())), 0);
  }
}

TEST(Compress, CopiesAPlainCheckpointThatIsToBeUnquantized) {
  const TinyModel model;
  EXPECT_EQ(make_plan(Checkpoint::open(model.path()), model.options("UNQUANTIZED")).warnings.size(), 1u);
  compress_with(model.options("UNQUANTIZED"));
  EXPECT_EQ(read_file(model.out("out") / "model.safetensors"), read_file(model.path() / "model.safetensors"));
}

TEST(Compress, TakesACheckpointThatIsCompressedAlready) {
  const TinyModel model;
  compress_with(model.options("FP8_BLOCK", "first"));
  CompressOptions again = model.options("W8A8", "second");
  again.model = model.out("first");
  compress_with(again);
  const QTensor q = quantized(Checkpoint::open(again.output), kUp);
  const Tensor before = dequantize(quantized(Checkpoint::open(model.out("first")), kUp)), after = dequantize(q);
  for (int64_t i = 0; i < before.elements(); ++i) ASSERT_NEAR(after.f32()[i], before.f32()[i], 0.8 / 127.5);
}

TEST(Compress, ReadsNativeFp8Blocks) {
  const TinyModel model;
  compress_with(model.options("FP8_BLOCK", "blocks"));
  const Checkpoint blocks = Checkpoint::open(model.out("blocks"));
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& name : blocks.names()) {
    const Tensor x = blocks.tensor(name);
    name.ends_with(".weight_scale") ? tensors.emplace_back(name + "_inv", to_f32(x)) : tensors.emplace_back(name, x);
  }
  std::filesystem::create_directory(model.out("native"));
  write_safetensors(model.out("native") / "model.safetensors", tensors);
  Json config = tiny_config({});
  config["quantization_config"] = {
      {"quant_method", "fp8"}, {"fmt", "e4m3"}, {"activation_scheme", "dynamic"}, {"weight_block_size", {128, 128}}};
  write_bytes(model.out("native") / "config.json", config.dump());
  for (const char* scheme : {"UNQUANTIZED", "W8A8"}) {
    CompressOptions native = model.options(scheme, std::string("from-native-") + scheme),
                    same = model.options(scheme, std::string("from-blocks-") + scheme);
    native.model = model.out("native");
    same.model = model.out("blocks");
    compress_with(native);
    compress_with(same);
    EXPECT_EQ(read_file(native.output / "model.safetensors"), read_file(same.output / "model.safetensors")) << scheme;
  }
}

TEST(Compress, IncludesATiedHeadBesideTheEmbedding) {
  const TinyModel model;
  CompressOptions options = model.options("W8A8");
  options.include_head = true;
  compress_with(options);
  const Checkpoint c = Checkpoint::open(options.output);
  expect_tensor(c, "model.embed_tokens.weight", DType::BF16, {48, 128});
  expect_tensor(c, "lm_head.weight", DType::I8, {48, 128});
  expect_tensor(c, "lm_head.weight_scale", DType::BF16, {48, 1});
  EXPECT_EQ(config_of(options.output).at("tie_word_embeddings"), false);
  EXPECT_EQ(config_of(options.output).at("quantization_config").at("ignore"), Json::array());
}

TEST(Compress, GivesWidthsThatAGroupDoesNotDivideAScaleAChannel) {
  const TinyModel model({.intermediate = 200});
  CompressOptions options = model.options("W8A16");
  const Plan plan = make_plan(Checkpoint::open(model.path()), options);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(plan.warnings[0].find("mlp.down_proj (2 layers)"), std::string::npos) << plan.warnings[0];
  compress_with(options);
  const Checkpoint c = Checkpoint::open(options.output);
  expect_tensor(c, "model.layers.0.mlp.down_proj.weight_scale", DType::BF16, {128, 1});
  expect_tensor(c, "model.layers.0.mlp.down_proj.weight_packed", DType::I32, {128, 50});
  const Json groups = config_of(options.output).at("quantization_config").at("config_groups");
  EXPECT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups.at("group_1").at("weights").at("strategy"), "channel");
  EXPECT_EQ(groups.at("group_1").at("targets"),
            Json::array({"model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"}));
}

TEST(Compress, EndsRaggedBlocksInAShorterOneWithAWarning) {
  const TinyModel model({.intermediate = 200});
  const CompressOptions options = model.options("FP8_BLOCK");
  const Plan plan = make_plan(Checkpoint::open(model.path()), options);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(plan.warnings[0].find("vLLM"), std::string::npos);
  compress_with(options);
  expect_tensor(Checkpoint::open(options.output), "model.layers.0.mlp.down_proj.weight_scale", DType::BF16, {1, 2});
  expect_tensor(Checkpoint::open(options.output), "model.layers.0.mlp.up_proj.weight_scale", DType::BF16, {2, 1});
}

TEST(Compress, StoresScalesOfAnFp8Cache) {
  const TinyModel model;
  CompressOptions options = model.options("FP8_DYNAMIC");
  options.kv_cache_fp8 = true;
  compress_with(options);
  const Checkpoint c = Checkpoint::open(options.output);
  expect_tensor(c, "model.layers.1.self_attn.k_scale", DType::BF16, {1});
  EXPECT_EQ(to_f32(c.tensor("model.layers.1.self_attn.k_scale")).f32()[0], 7.0f / 448.0f);
  EXPECT_EQ(to_f32(c.tensor("model.layers.1.self_attn.v_scale")).f32()[0], 14.0f / 448.0f);
  EXPECT_EQ(config_of(options.output).at("quantization_config").at("kv_cache_scheme").at("num_bits"), 8);
}

TEST(Compress, CutsTheOutputIntoShardsWithAnIndex) {
  const TinyModel model;
  CompressOptions options = model.options("FP8");
  options.shard_bytes = 100'000;
  compress_with(options);
  const Json index = read_json(options.output / "model.safetensors.index.json");
  const Checkpoint c = Checkpoint::open(options.output);
  EXPECT_GT(c.files().size(), 2u);
  EXPECT_EQ(index.at("metadata").at("total_size"), c.bytes());
  EXPECT_EQ(index.at("weight_map").size(), c.names().size());
  CompressOptions whole = model.options("FP8", "whole");
  compress_with(whole);
  const Tensor a = Checkpoint::open(whole.output).tensor(std::string(kUp) + ".weight");
  EXPECT_EQ(std::memcmp(a.raw(), c.tensor(std::string(kUp) + ".weight").raw(), static_cast<size_t>(a.bytes())), 0);
}

TEST(Compress, SaysWhatItLeavesOut) {
  const TinyModel model;
  write_bytes(model.path() / "pytorch_model.bin", "x");
  std::filesystem::create_directory(model.path() / "original");
  std::filesystem::create_symlink("loop", model.path() / "loop");
  const CompressResult result = compress_with(model.options("W8A8"));
  ASSERT_EQ(result.notices.size(), 3u);
  EXPECT_NE(result.notices[0].find("loop"), std::string::npos);
  EXPECT_NE(result.notices[1].find("original"), std::string::npos);
  EXPECT_NE(result.notices[2].find("pytorch_model.bin"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(model.out("out") / "pytorch_model.bin"));
}

TEST(Compress, HashesItsInput) {
  const TinyModel model;
  compress_with(model.options("W8A8"));
  const Json octet = read_json(model.out("out") / "octet.json");
  EXPECT_EQ(octet.at("scheme"), "W8A8");
  EXPECT_EQ(octet.at("version"), OCTET_VERSION);
  EXPECT_EQ(octet.at("inputs").size(), 2u);
  EXPECT_EQ(octet.at("inputs").at("model.safetensors").get<std::string>().size(), 64u);
}

TEST(Compress, NamesTheTensorThatIsNotFiniteAndLeavesNothingBehind) {
  for (const std::string name : {"model.layers.1.mlp.up_proj.weight", "model.embed_tokens.weight"}) {
    const TinyModel model;
    auto tensors = tiny_tensors({});
    for (auto& [tensor, x] : tensors) {
      if (tensor == name) x.data<uint16_t>()[77] = 0x7F80;
    }
    write_safetensors(model.path() / "model.safetensors", tensors);
    for (const char* scheme : {"W8A8", "FP8", "FP8_BLOCK", "W8A16", "MXFP8"}) {
      expect_error([&] { compress_with(model.options(scheme)); }, {name, "NaN or infinite"});
      EXPECT_FALSE(std::filesystem::exists(model.out("out")));
      EXPECT_FALSE(std::filesystem::exists(model.out("out.part")));
    }
  }
}

// Before a walk of hours, not where the tensor is written after it.
TEST(Compress, LooksForNumbersThatAreNotFiniteBeforeItCalibrates) {
  const TinyModel model;
  auto tensors = tiny_tensors({});
  for (auto& [tensor, x] : tensors) {
    if (tensor == "model.norm.weight") x.data<uint16_t>()[3] = 0xFFC0;
  }
  write_safetensors(model.path() / "model.safetensors", tensors);
  CompressOptions options = model.options("W8A8");
  options.pipeline = pipeline_named("default", *options.scheme);
  options.calibration = model.out("text.txt");
  write_bytes(*options.calibration, "text");
  const Checkpoint checkpoint = Checkpoint::open(options.model);
  const Plan plan = make_plan(checkpoint, options);
  Threads threads(2);
  const auto watch = [](const WorkPlace&) -> Calibration { throw std::logic_error("calibrated"); };
  expect_error([&] { compress(checkpoint, plan, options, watch, threads, [](int64_t) {}); },
               {"model.norm.weight", "NaN or infinite"});
  EXPECT_FALSE(std::filesystem::exists(model.out("out.part")));
}

TEST(Compress, WarnsOfWhatIsRoundedTwice) {
  const TinyModel model;
  compress_with(model.options("W8A8"));
  CompressOptions options = model.options("W8A8");
  options.model = model.out("out");
  options.output = model.out("again");
  const Plan again = make_plan(Checkpoint::open(options.model), options);
  ASSERT_EQ(again.warnings.size(), 1u);
  EXPECT_NE(again.warnings[0].find("compressed already"), std::string::npos);
  options.scheme = &scheme_named("UNQUANTIZED");
  EXPECT_TRUE(make_plan(Checkpoint::open(options.model), options).warnings.empty());
}

TEST(Compress, ReplacesAnOutputOnlyWhenForced) {
  const TinyModel model;
  CompressOptions options = model.options("W8A8");
  compress_with(options);
  expect_error([&] { compress_with(options); }, {"out", "force"});
  options.force = true;
  options.scheme = &scheme_named("FP8_DYNAMIC");
  compress_with(options);
  expect_tensor(Checkpoint::open(options.output), std::string(kUp) + ".weight", DType::F8_E4M3, {256, 128});
}

TEST(Plan, RefusesWhatCannotBeCompressed) {
  const TinyModel model;
  const auto plan_with = [&](const CompressOptions& options) { make_plan(Checkpoint::open(options.model), options); };
  EXPECT_THROW(plan_with(model.options("FP8")), UsageError);
  CompressOptions cache = model.options("W8A8");
  cache.kv_cache_fp8 = true;
  EXPECT_THROW(plan_with(cache), UsageError);

  Json config = tiny_config({});
  config["hidden_size"] = 256;
  write_bytes(model.path() / "config.json", config.dump());
  expect_error([&] { plan_with(model.options("W8A8")); }, {"q_proj.weight", "[128, 128]", "[128, 256]"});
  config["architectures"] = {"GPT2LMHeadModel"};
  write_bytes(model.path() / "config.json", config.dump());
  expect_error([&] { plan_with(model.options("W8A8")); }, {"GPT2LMHeadModel", "LlamaForCausalLM"});
}

// What a config.json with one key changed asks for, and the checkpoint does not hold.
TEST(Plan, RefusesModelsThatNothingCouldLoad) {
  struct Change {
    const char* key;
    Json value;
    std::string_view said, too = "";
  };
  for (const Change& change : {
           Change{"vocab_size", 49, "model.embed_tokens.weight", "[48, 128], but config.json asks for [49, 128]"},
           Change{"tie_word_embeddings", false, "holds no tensor lm_head.weight", "[48, 128]"},
           Change{"num_hidden_layers", 3, "holds no tensor model.layers.2.self_attn.q_proj.weight"},
           Change{"attention_bias", true, "holds no tensor model.layers.0.self_attn.q_proj.bias", "[128]"},
           Change{"mlp_bias", true, "holds no tensor model.layers.0.mlp.gate_proj.bias", "[256]"},
           Change{"architectures", Json::array({"Qwen3ForCausalLM"}),
                  "holds no tensor model.layers.0.self_attn.q_norm.weight", "[32]"},
       }) {
    const TinyModel model;
    Json config = tiny_config({});
    config[change.key] = change.value;
    write_bytes(model.path() / "config.json", config.dump());
    for (const char* scheme : {"W8A8", "UNQUANTIZED"}) {
      SCOPED_TRACE(std::string(change.key) + " " + scheme);
      expect_error([&] { compress_with(model.options(scheme)); }, {model.path().string(), change.said, change.too});
      EXPECT_FALSE(std::filesystem::exists(model.out("out")));
    }
  }
}

TEST(Plan, NamesEveryTensorOfTheModelThatIsMissing) {
  const TinyShape shape{.tied = false};
  const auto tensors = tiny_tensors(shape);
  for (size_t missing = 0; missing < tensors.size(); ++missing) {
    const TinyModel model(shape);
    auto rest = tensors;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(missing));
    write_safetensors(model.path() / "model.safetensors", rest);
    for (const char* scheme : {"W8A8", "UNQUANTIZED"}) {
      expect_error([&] { make_plan(Checkpoint::open(model.path()), model.options(scheme)); },
                   {"holds no tensor", tensors[missing].first});
    }
  }
}

TEST(Plan, RefusesToCompressNothing) {
  const TinyModel model;
  CompressOptions options = model.options("W8A8");
  options.groups = wanted_groups(options);
  options.groups->ignore = {"re:.*"};
  options.recipe = "r.yaml";
  const Checkpoint checkpoint = Checkpoint::open(model.path());
  expect_error([&] { make_plan(checkpoint, options); }, {"r.yaml", "no layer is left to compress"});
}

TEST(Plan, WarnsOfLayersThatConfigDoesNotCount) {
  const TinyModel model;
  Json config = config_of(model.path());
  config["num_hidden_layers"] = 1;
  write_bytes(model.path() / "config.json", config.dump());
  const Plan plan = make_plan(Checkpoint::open(model.path()), model.options("W8A8"));
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(plan.warnings[0].find("num_hidden_layers is 1, but tensors of layer 1 are stored"), std::string::npos);
}

TEST(Plan, NamesTheSizeOfARecipesGroupThatDoesNotDivide) {
  const TinyModel model;
  CompressOptions options = model.options("W8A8");
  options.groups = QuantizationConfig{};
  options.groups->groups.push_back({{"Linear"}, per_group(Format::INT8, 7), std::nullopt, Storage::pack_quantized});
  const Plan plan = make_plan(Checkpoint::open(model.path()), options);
  EXPECT_NE(plan.ragged.find("is not a multiple of 7"), std::string::npos) << plan.ragged;
}

TEST(Plan, RefusesAnOutputInTheModelOrAroundIt) {
  const TinyModel model;
  std::filesystem::create_directory_symlink(model.path(), model.out("link"));
  const auto refuse = [&](const std::filesystem::path& output) {
    CompressOptions options = model.options("W8A8");
    options.output = output;
    EXPECT_THROW(make_plan(Checkpoint::open(options.model), options), UsageError) << output;
  };
  refuse(model.path());
  refuse(model.path() / "");
  refuse(model.path() / "sub");
  refuse(model.path() / "sub" / "deeper");
  refuse(model.path() / "sub" / "..");
  refuse(model.out("link"));
  refuse(model.out("link") / "sub");
  refuse(model.path().parent_path());
  EXPECT_NO_THROW(make_plan(Checkpoint::open(model.path()), model.options("W8A8", "model2")));
}

}  // namespace
}  // namespace octet
