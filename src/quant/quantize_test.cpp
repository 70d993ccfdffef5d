#include "quant/quantize.h"

#include "base/errors_for_tests.h"
#include "files/safetensors.h"
#include "quant/observer/observer.h"
#include "quant/rounding/nearest.h"
#include "quant/scale.h"

namespace octet {
namespace {

// What another program, or numpy, made of the same matrices: make_quant_goldens.py.
class Goldens {
 public:
  explicit Goldens(const std::string& name) : file_(std::string(OCTET_GOLDEN_DIR "/quant/") + name + ".safetensors") {}

  const std::vector<TensorInfo>& tensors() const { return file_.tensors(); }
  Tensor tensor(const std::string& name) const {
    for (const TensorInfo& info : file_.tensors()) {
      if (info.name == name) return file_.view(info);
    }
    ADD_FAILURE() << "no golden " << name;
    return {};
  }

 private:
  SafetensorsFile file_;
};

// "BF16.INT8.channel" to what it stands for.
Quantization quantization_named(const std::string& name) {
  const size_t dot = name.find('.'), second = name.find('.', dot + 1);
  if (second == std::string::npos) return per_channel(Format::INT8);  // BF16.half_away
  const Format format = *find_format(name.substr(dot + 1, second - dot - 1));
  const std::string granularity = name.substr(second + 1);
  if (granularity == "tensor") return per_tensor(format);
  if (granularity == "group") return per_group(format, 128);
  if (granularity == "block") return per_block(format, 4, 128);
  if (granularity == "mx") return with_e8m0_scales(per_group(format, 32));
  return per_channel(format);
}

QuantizeOptions options_named(const std::string& name, Match match) {
  QuantizeOptions options{.match = match};
  if (name.ends_with("half_away")) options.rounding = Rounding::half_away;
  if (name.ends_with("toward_zero")) options.rounding = Rounding::toward_zero;
  if (name.ends_with("narrow")) options.int8_range = Int8Range::narrow;
  return options;
}

void expect_same(const QTensor& q, const Tensor& scales, const Tensor& codes, bool skip_zeros,
                 const std::string& name) {
  ASSERT_EQ(q.scales.elements(), scales.elements()) << name;
  ASSERT_EQ(q.codes.elements(), codes.elements()) << name;
  for (int64_t i = 0; i < scales.elements(); ++i) {
    if (skip_zeros && scales.f32()[i] == 0) continue;
    ASSERT_EQ(q.scales.f32()[i], scales.f32()[i]) << name << " scale " << i;
  }
  int different = 0;
  for (int64_t i = 0; i < codes.elements(); ++i) different += q.codes.raw()[i] != codes.raw()[i];
  EXPECT_EQ(different, 0) << name << " of " << codes.elements();
}

void expect_goldens(const std::string& file, Match match) {
  const Goldens goldens(file);
  Threads threads(2);
  int compared = 0;
  for (const TensorInfo& info : goldens.tensors()) {
    if (!info.name.ends_with(".codes")) continue;
    const std::string name = info.name.substr(0, info.name.size() - 6);
    const Tensor w = goldens.tensor(name.substr(0, name.find('.')) + ".w");
    const QTensor q = quantize(w, quantization_named(name), options_named(name, match), threads);
    expect_same(q, goldens.tensor(name + ".scales"), goldens.tensor(info.name), match == Match::torchao, name);
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST(Quantize, GivesTheScalesAndCodesOfCompressedTensors) {
  expect_goldens("compressed_tensors", Match::compressed_tensors);
}

TEST(Quantize, GivesTheScalesAndCodesOfTorchao) {
  expect_goldens("torchao", Match::torchao);
}

TEST(Quantize, FollowsItsOwnDefinition) {
  expect_goldens("octet", Match::octet);
}

Tensor some_matrix(int64_t n, int64_t k) {
  Tensor w({n, k});
  for (int64_t i = 0; i < w.elements(); ++i)
    w.f32()[i] = static_cast<float>((i * 7919 + i / 13) % 2001 - 1000) * 0.001f;
  return w;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

TEST(Quantize, GivesTheSameCodesForAnyNumberOfThreads) {
  const Tensor w = some_matrix(700, 1000);
  Threads one(1), five(5);
  for (const Scheme& scheme : kSchemes) {
    if (!scheme.weights) continue;
    for (const Rounding rounding : {Rounding::half_even, Rounding::stochastic}) {
      const QuantizeOptions options{.rounding = rounding, .seed = 5, .tensor = 3};
      const QTensor a = quantize(w, *scheme.weights, options, one), b = quantize(w, *scheme.weights, options, five);
      EXPECT_TRUE(same_bytes(a.codes, b.codes) && same_bytes(a.scales, b.scales)) << scheme.name;
    }
  }
}

TEST(Quantize, EndsARaggedWidthInAShorterGroup) {
  const Tensor w = some_matrix(130, 300);
  Threads threads(2);
  const QTensor groups = quantize(w, per_group(Format::INT8, 128), {}, threads);
  EXPECT_EQ(groups.scales.shape(), (Shape{130, 3}));
  const QTensor blocks = quantize(w, per_block(Format::E4M3, 128, 128), {}, threads);
  EXPECT_EQ(blocks.scales.shape(), (Shape{2, 3}));
  float amax = 0;
  for (int64_t row = 128; row < 130; ++row) {
    for (int64_t k = 256; k < 300; ++k) amax = std::max(amax, std::abs(w.f32()[row * 300 + k]));
  }
  EXPECT_EQ(blocks.scales.f32()[5], amax / 448.0f);
  const Tensor back = dequantize(groups);
  for (int64_t i = 0; i < w.elements(); ++i) EXPECT_NEAR(back.f32()[i], w.f32()[i], 0.5 / 127.5 + 1e-6);
}

TEST(Quantize, RoundsStochasticallyWithoutBias) {
  Tensor w({1, 40000});
  for (int64_t i = 0; i < w.elements(); ++i) w.f32()[i] = 10.3f;
  w.f32()[0] = 127.5f;  // a scale of one
  Threads threads(1);
  const QTensor q = quantize(w, per_channel(Format::INT8), {.rounding = Rounding::stochastic, .seed = 1}, threads);
  double sum = 0;
  for (int64_t i = 1; i < w.elements(); ++i) {
    ASSERT_TRUE(q.codes.data<int8_t>()[i] == 10 || q.codes.data<int8_t>()[i] == 11);
    sum += q.codes.data<int8_t>()[i];
  }
  EXPECT_NEAR(sum / 39999, 10.3, 0.02);
  const QTensor other = quantize(w, per_channel(Format::INT8), {.rounding = Rounding::stochastic, .seed = 2}, threads);
  EXPECT_FALSE(same_bytes(q.codes, other.codes));
}

TEST(Quantize, RefusesNumbersThatAreNotFinite) {
  Threads threads(2);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const Quantization& q :
         {per_tensor(Format::E4M3), per_group(Format::INT8, 128), per_block(Format::E5M2, 128, 128)}) {
      Tensor w = some_matrix(130, 300);
      w.f32()[17000] = bad;
      expect_error([&] { quantize(w, q, {}, threads, "model: tensor x"); }, {"model: tensor x", "NaN or infinite"});
    }
  }
}

TEST(StaticScale, CoversTheRangeAndZero) {
  const Quantization asymmetric = with_zero_point(per_tensor(Format::INT8));
  const StaticScale both = static_scale(-1, 3, asymmetric, DType::F32);
  EXPECT_EQ(both.scale, 4.0f / 255.0f);
  EXPECT_EQ(both.zero_point, -64);
  const StaticScale above = static_scale(1, 3, asymmetric, DType::F32);
  EXPECT_EQ(above.scale, 3.0f / 255.0f);
  EXPECT_EQ(above.zero_point, -128);
  EXPECT_EQ(static_scale(-3, -1, asymmetric, DType::F32).zero_point, 127);
  const StaticScale nothing = static_scale(0, 0, asymmetric, DType::BF16);
  EXPECT_EQ(nothing.scale, 0x1p-7f);
  EXPECT_EQ(nothing.zero_point, -128);
  EXPECT_EQ(static_scale(-7, 3, per_tensor(Format::E4M3), DType::F32).scale, 7.0f / 448.0f);
}

TEST(Options, NamesAreListedWhenOneIsWrong) {
  EXPECT_EQ(match_named("compressed-tensors"), Match::compressed_tensors);
  EXPECT_EQ(rounding_named("half_away"), Rounding::half_away);
  expect_error([] { match_named("gguf"); }, {"gguf", "octet", "torchao"});
  expect_error([] { rounding_named("up"); }, {"up", "half_even", "stochastic"});
}

}  // namespace
}  // namespace octet
