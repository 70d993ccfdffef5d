#include "base/json.h"
#include "files/files_for_tests.h"
#include "files/quantization_config.h"

namespace octet {
namespace {

namespace fs = std::filesystem;
const fs::path kGolden = fs::path(OCTET_GOLDEN_DIR) / "files";

ConfigGroup group_of(const Scheme& scheme) {
  return {{"Linear"}, scheme.weights, scheme.activations, scheme.storage};
}

template <typename T>
Tensor filled(Shape shape, DType dtype, T value) {
  const auto count = static_cast<size_t>(elements_of(shape));
  return tensor_with<T>(std::move(shape), dtype, std::vector<T>(count, value));
}

// A checkpoint made of these tensors, and reading module "m" from it.
struct Module {
  std::map<std::string, Tensor> tensors;
  TemporaryDirectory directory{};
  QTensor read(const ConfigGroup& group) const {
    write_bytes(directory / "config.json", "{}");
    write_tensors(directory / "model.safetensors", tensors);
    return read_qtensor(Checkpoint::open(directory.path()), "m", group);
  }
  void expect_refused(const ConfigGroup& group, std::initializer_list<std::string_view> parts) const {
    expect_error([&] { read(group); }, {"model.safetensors"});
    expect_error([&] { read(group); }, parts);
  }
};

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

// Codes, scales and the rest of a scheme, all different from each other.
QTensor example(const Scheme& scheme, int64_t n, int64_t k) {
  QTensor q{.weights = *scheme.weights, .activations = scheme.activations};
  const DType codes = q.weights.format == Format::INT8   ? DType::I8
                      : q.weights.format == Format::E5M2 ? DType::F8_E5M2
                      : q.weights.format == Format::E4M3 ? DType::F8_E4M3
                                                         : DType::U8;
  q.codes = Tensor({n, k}, codes);
  for (int64_t i = 0; i < n * k; ++i) q.codes.data<uint8_t>()[i] = static_cast<uint8_t>(i * 37 % 0x78 + i % 2 * 0x80);
  q.scales = Tensor(scale_shape(q.weights, n, k));
  for (int64_t i = 0; i < q.scales.elements(); ++i) q.scales.f32()[i] = std::ldexp(1.f, static_cast<int>(i % 30) - 20);
  if (q.weights.format == Format::CODEBOOK) {
    q.table = Tensor({256});
    for (int i = 0; i < 256; ++i) q.table.f32()[i] = static_cast<float>(i - 100) / 128;
  }
  if (scheme.needs_calibration()) {
    q.input_scale = 0.375f;
    q.input_zero_point = q.activations->symmetric ? 0 : -17;
  }
  return q;
}

TEST(QTensorFiles, ComeBackAsTheyWereWritten) {
  for (const Scheme& scheme : kSchemes) {
    if (!scheme.weights) continue;
    const ConfigGroup group = group_of(scheme);
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{256, 384}, {130, 141}, {1, 1}, {3, 130}}) {
      for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
        const QTensor q = example(scheme, n, k);
        const auto plan = plan_qtensor("m", group, n, k, dtype);
        const auto tensors = encode_qtensor(q, group, dtype);
        ASSERT_EQ(plan.size(), tensors.size());
        Module module;
        for (size_t i = 0; i < plan.size(); ++i) {
          EXPECT_EQ(plan[i].dtype, tensors[i].dtype()) << plan[i].name;
          EXPECT_EQ(plan[i].shape, tensors[i].shape()) << plan[i].name;
          EXPECT_EQ(plan[i].bytes, tensors[i].bytes()) << plan[i].name;
          module.tensors[plan[i].name] = tensors[i];
        }
        const QTensor back = module.read(group);
        EXPECT_EQ(back.weights, q.weights) << scheme.name;
        EXPECT_EQ(back.activations, q.activations) << scheme.name;
        EXPECT_TRUE(same_bytes(back.codes, q.codes)) << scheme.name;
        EXPECT_TRUE(same_bytes(back.scales, q.scales)) << scheme.name;
        EXPECT_EQ(back.table.empty(), q.table.empty());
        EXPECT_TRUE(q.table.empty() || same_bytes(back.table, q.table));
        EXPECT_EQ(back.input_scale, q.input_scale) << scheme.name;
        EXPECT_EQ(back.input_zero_point, q.input_zero_point) << scheme.name;
        EXPECT_NO_THROW(check_codes(back, "m"));
      }
    }
  }
}

TEST(QTensorFiles, AreTheNumbersThatCompressedTensorsSaysTheyAre) {
  const Checkpoint checkpoint = Checkpoint::open(kGolden / "compressed");
  const auto config = read_quantization_config(parse_json(checkpoint.config_text(), "config.json"), "config.json");
  int modules = 0;
  for (const auto& name : checkpoint.names()) {
    if (name.substr(0, 9) != "expected.") continue;
    const std::string module = name.substr(9);
    const ConfigGroup* group = config->group_of(module);
    ASSERT_TRUE(group) << module;
    const Tensor numbers = dequantize(read_qtensor(checkpoint, module, *group));
    EXPECT_TRUE(same_bytes(numbers, checkpoint.tensor(name))) << module;
    ++modules;
  }
  EXPECT_EQ(modules, 12);
}

TEST(QTensorFiles, AreWrittenAsCompressedTensorsWritesThem) {
  const Checkpoint checkpoint = Checkpoint::open(kGolden / "compressed");
  const auto config = read_quantization_config(parse_json(checkpoint.config_text(), "config.json"), "config.json");
  for (const auto& written : config->groups) {
    if (!written.weights->symmetric) continue;
    const std::string& module = written.targets[0];
    const QTensor q = read_qtensor(checkpoint, module, written);
    const auto plan = plan_qtensor(module, written, q.rows(), q.columns(), DType::F32);
    const auto tensors = encode_qtensor(q, written, DType::F32);
    for (size_t i = 0; i < plan.size(); ++i)
      EXPECT_TRUE(same_bytes(tensors[i], checkpoint.tensor(plan[i].name))) << plan[i].name;
  }
}

TEST(QTensorFiles, HaveTheTensorsOfTheirFormat) {
  const auto text = [](const char* scheme, int64_t n, int64_t k) {
    std::string result;
    for (const auto& info : plan_qtensor("m", group_of(scheme_named(scheme)), n, k, DType::BF16)) {
      result += fmt::format("{} {} {}; ", info.name.substr(2), name_of(info.dtype), text_of(info.shape));
    }
    return result;
  };
  EXPECT_EQ(text("W8A8", 6, 10), "weight I8 [6, 10]; weight_scale BF16 [6, 1]; ");
  EXPECT_EQ(text("W8A8_ASYM", 6, 10),
            "weight I8 [6, 10]; weight_scale BF16 [6, 1]; input_scale BF16 [1]; input_zero_point I8 [1]; ");
  EXPECT_EQ(text("W8A16", 6, 256), "weight_packed I32 [6, 64]; weight_scale BF16 [6, 2]; weight_shape I64 [2]; ");
  EXPECT_EQ(text("W8A16_CHANNEL", 6, 10), "weight_packed I32 [6, 3]; weight_scale BF16 [6, 1]; weight_shape I64 [2]; ");
  EXPECT_EQ(text("FP8", 6, 10), "weight F8_E4M3 [6, 10]; weight_scale BF16 [1]; input_scale BF16 [1]; ");
  EXPECT_EQ(text("FP8_BLOCK", 300, 130), "weight F8_E4M3 [300, 130]; weight_scale BF16 [3, 2]; ");
  EXPECT_EQ(text("MXFP8", 6, 64), "weight F8_E4M3 [6, 64]; weight_scale U8 [6, 2]; ");
  EXPECT_EQ(text("FP8_E5M2", 6, 10), "weight F8_E5M2 [6, 10]; weight_scale BF16 [1]; input_scale BF16 [1]; ");
}

const Scheme& kW8a8 = scheme_named("W8A8");

Module w8a8_module() {
  return {
      {{"m.weight", filled<int8_t>({4, 6}, DType::I8, 1)}, {"m.weight_scale", filled<float>({4, 1}, DType::F32, .5f)}}};
}

TEST(QTensorFiles, AcceptShapesThatOthersGiveTheirScales) {
  auto module = w8a8_module();
  module.tensors["m.weight_scale"] = filled<float>({4}, DType::F32, .5f);
  EXPECT_EQ(module.read(group_of(kW8a8)).scales.shape(), (Shape{4, 1}));
  const Scheme& fp8 = scheme_named("FP8");
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{1, 1}}) {
    const Module m{{{"m.weight", filled<uint8_t>({4, 6}, DType::F8_E4M3, 1)},
                    {"m.weight_scale", filled<float>(shape, DType::F32, .5f)},
                    {"m.input_scale", filled<float>(shape, DType::F32, .25f)}}};
    const QTensor q = m.read(group_of(fp8));
    EXPECT_EQ(q.scales.shape(), (Shape{1, 1}));
    EXPECT_EQ(q.input_scale, .25f);
  }
}

TEST(QTensorFiles, ReadTheNativeBlockFormat) {
  ConfigGroup group{
      {"Linear"}, per_block(Format::E4M3, 128, 128), per_token_group(Format::E4M3, 128), Storage::fp8_blocks};
  Module module{{{"m.weight", filled<uint8_t>({130, 140}, DType::F8_E4M3, 0x38)},
                 {"m.weight_scale_inv", tensor_with<float>({2, 2}, DType::F32, {1, 2, 3, 4})}}};
  const Tensor numbers = dequantize(module.read(group));
  EXPECT_EQ(numbers.f32()[0], 1.f);
  EXPECT_EQ(numbers.f32()[130 * 140 - 1], 4.f);
  module.tensors["m.weight_scale_inv"] = filled<float>({2, 1}, DType::F32, 1.f);
  module.expect_refused(group, {"m.weight_scale_inv", "[2, 1]", "[130, 140]", "[2, 2]"});
  const auto plan = plan_qtensor("m", group, 130, 140, DType::BF16);
  EXPECT_EQ(plan[1].name, "m.weight_scale_inv");
  EXPECT_EQ(plan[1].dtype, DType::F32);
}

TEST(QTensorFiles, RefuseScalesThatAreNotPositiveNumbers) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (const float bad : {0.f, -1.f, kInfinity, -kInfinity, kNan, -0.f}) {
    auto module = w8a8_module();
    module.tensors["m.weight_scale"] = tensor_with<float>({4, 1}, DType::F32, {1, 1, bad, 1});
    module.expect_refused(group_of(kW8a8), {"m.weight_scale", "element 2"});
  }
  const Module mx{{{"m.weight", filled<uint8_t>({1, 64}, DType::F8_E4M3, 1)},
                   {"m.weight_scale", tensor_with<uint8_t>({1, 2}, DType::U8, {127, 255})}}};
  mx.expect_refused(group_of(scheme_named("MXFP8A16")), {"m.weight_scale", "element 1"});
}

TEST(QTensorFiles, RefuseShapesThatContradictTheirWeight) {
  for (const Shape& shape : {Shape{6, 1}, Shape{1, 4}, Shape{5}, Shape{4, 2}, Shape{0}, Shape{2, 2}, Shape{4, 1, 1}}) {
    auto module = w8a8_module();
    module.tensors["m.weight_scale"] = filled<float>(shape, DType::F32, 1.f);
    module.expect_refused(group_of(kW8a8), {"m.weight_scale", text_of(shape), "[4, 6]", "[4, 1]"});
  }
  auto module = w8a8_module();
  for (const Shape& shape : {Shape{24}, Shape{2, 2, 6}, Shape{0, 6}, Shape{4, 0}}) {
    module.tensors["m.weight"] = filled<int8_t>(shape, DType::I8, 1);
    module.expect_refused(group_of(kW8a8), {"m.weight", "matrix"});
  }
}

TEST(QTensorFiles, RefuseTensorsOfAnotherDtypeOrMissing) {
  auto module = w8a8_module();
  module.expect_refused(group_of(scheme_named("FP8_DYNAMIC")), {"m.weight", "I8", "F8_E4M3"});
  module.tensors["m.weight_scale"] = filled<int32_t>({4, 1}, DType::I32, 1);
  module.expect_refused(group_of(kW8a8), {"m.weight_scale", "I32", "F32 or BF16"});
  module.tensors.erase("m.weight_scale");
  expect_error([&] { module.read(group_of(kW8a8)); }, {"holds no tensor m.weight_scale"});
  module.tensors.clear();
  expect_error([&] { module.read(group_of(kW8a8)); }, {"holds no tensor m.weight"});
  const Module reordered{{{"m.weight_g_idx", filled<int32_t>({4}, DType::I32, 0)}}};
  reordered.expect_refused(group_of(kW8a8), {"m.weight_g_idx", "actorder weight"});
}

TEST(QTensorFiles, RefuseStaticScalesThatAreWrong) {
  const ConfigGroup group = group_of(scheme_named("W8A8_ASYM"));
  auto module = w8a8_module();
  expect_error([&] { module.read(group); }, {"m.input_scale"});
  module.tensors["m.input_scale"] = filled<float>({2}, DType::F32, 1.f);
  module.expect_refused(group, {"m.input_scale", "[2]"});
  module.tensors["m.input_scale"] = filled<float>({0}, DType::F32, 1.f);
  module.expect_refused(group, {"m.input_scale", "[0]"});
  module.tensors["m.input_scale"] = filled<float>({1}, DType::F32, 0.f);
  module.expect_refused(group, {"m.input_scale", "above 0"});
  module.tensors["m.input_scale"] = filled<float>({1}, DType::F32, 1.f);
  expect_error([&] { module.read(group); }, {"m.input_zero_point"});
  module.tensors["m.input_zero_point"] = filled<int32_t>({1}, DType::I32, 128);
  module.expect_refused(group, {"m.input_zero_point", "128"});
  module.tensors["m.input_zero_point"] = filled<int32_t>({1}, DType::I32, -128);
  EXPECT_EQ(module.read(group).input_zero_point, -128);
}

TEST(QTensorFiles, RefuseAPackedShapeThatContradictsItsWords) {
  const ConfigGroup group = group_of(scheme_named("W8A16_CHANNEL"));
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{4, 13},
                             {4, 8},
                             {3, 12},
                             {-4, 12},
                             {4, -12},
                             {4, 0},
                             {4, INT64_MAX},
                             {INT64_MIN, 1}}) {
    const Module module{{{"m.weight_packed", filled<int32_t>({4, 3}, DType::I32, 0)},
                         {"m.weight_shape", tensor_with<int64_t>({2}, DType::I64, {n, k})},
                         {"m.weight_scale", filled<float>({4, 1}, DType::F32, 1.f)}}};
    module.expect_refused(group, {"m.weight_shape", "m.weight_packed", "[4, 3]"});
  }
  const Module module{{{"m.weight_packed", filled<int32_t>({4, 3}, DType::I32, 0)},
                       {"m.weight_shape", tensor_with<int64_t>({3}, DType::I64, {4, 12, 1})}}};
  module.expect_refused(group, {"m.weight_shape", "[3]"});
}

TEST(CheckCodes, NamesTheFirstCodeThatIsNoNumber) {
  QTensor q = example(scheme_named("FP8_DYNAMIC"), 50, 200);
  for (const uint8_t code : {0x7F, 0xFF}) {
    q.codes.data<uint8_t>()[9'000] = code;
    expect_error([&] { check_codes(q, "f: tensor m.weight"); },
                 {"f: tensor m.weight", fmt::format("0x{:02X}", code), "row 45, column 0"});
  }
  q = example(scheme_named("FP8_DYNAMIC_E5M2"), 50, 200);
  EXPECT_NO_THROW(check_codes(q, "m"));
  for (const uint8_t code : {0x7C, 0x7D, 0xFC, 0xFF}) {
    q.codes.data<uint8_t>()[9'999] = code;
    expect_error([&] { check_codes(q, "m"); }, {"row 49, column 199"});
  }
}

TEST(QTensorFiles, RefuseCodebooksThatAreNone) {
  const ConfigGroup group = group_of(scheme_named("CODEBOOK8A16"));
  const Module good{{{"m.weight", filled<uint8_t>({4, 6}, DType::U8, 200)},
                     {"m.weight_codebook", filled<uint16_t>({256}, DType::BF16, 0x3F00)},
                     {"m.weight_scale", filled<uint16_t>({4, 1}, DType::BF16, 0x4000)}}};
  const QTensor q = good.read(group);
  EXPECT_EQ(dequantize(q).f32()[23], 1.0f);
  check_codes(q, "m");
  const auto with = [&](const char* name, Tensor tensor) {
    std::map<std::string, Tensor> tensors = good.tensors;
    tensors[name] = std::move(tensor);
    return Module{std::move(tensors)};
  };
  for (const int64_t length : {0, 255, 257}) {
    with("m.weight_codebook", filled<uint16_t>({length}, DType::BF16, 0))
        .expect_refused(group, {"m.weight_codebook has shape", "[256]"});
  }
  with("m.weight_codebook", filled<float>({256}, DType::F32, 0)).expect_refused(group, {"m.weight_codebook", "BF16"});
  for (const int bits : {0x7FC0, 0xFFC1, 0x7F80, 0xFF80}) {
    with("m.weight_codebook", filled<uint16_t>({256}, DType::BF16, static_cast<uint16_t>(bits)))
        .expect_refused(group, {"m.weight_codebook has", "for code 0"});
  }
  with("m.weight", filled<int8_t>({4, 6}, DType::I8, 0)).expect_refused(group, {"m.weight has dtype I8", "U8"});
  Module without{good.tensors};
  without.tensors.erase("m.weight_codebook");
  expect_error([&] { without.read(group); }, {"holds no tensor m.weight_codebook"});
}

TEST(KvScales, AreReadUnderBothNames) {
  const auto scales = [](std::map<std::string, Tensor> tensors) {
    const TemporaryDirectory directory;
    write_bytes(directory / "config.json", "{}");
    write_tensors(directory / "model.safetensors", tensors);
    return read_kv_scales(Checkpoint::open(directory.path()), "a");
  };
  const Tensor two = filled<float>({1}, DType::F32, 2.f), three = filled<float>({}, DType::F32, 3.f);
  EXPECT_FALSE(scales({{"b", two}}));
  EXPECT_EQ(scales({{"a.k_scale", two}, {"a.v_scale", three}})->v, 3.f);
  EXPECT_EQ(scales({{"a.k_proj.output_scale", two}, {"a.v_proj.output_scale", three}})->k, 2.f);
  expect_error([&] { scales({{"a.k_scale", two}}); }, {"a.v_scale"});
  expect_error(
      [&] {
        scales({{"a.k_scale", filled<float>({2}, DType::F32, 1.f)}, {"a.v_scale", two}});
      },
      {"a.k_scale", "[2]"});
}

}  // namespace
}  // namespace octet
