#include "quant/codebook.h"

#include "base/errors_for_tests.h"
#include "files/safetensors.h"
#include "quant/quantize.h"
#include "quant/rounding/code.h"

namespace octet {
namespace {

// Of numpy in float64: make_codebook_goldens.py.
Tensor golden(const std::string& name) {
  static const SafetensorsFile file(OCTET_GOLDEN_DIR "/quant/codebook.safetensors");
  for (const TensorInfo& info : file.tensors()) {
    if (info.name == name) return file.view(info);
  }
  ADD_FAILURE() << "no golden " << name;
  return {};
}

double weighted_error(const Tensor& w, const Tensor& scales, const float* importance, const Tensor& table) {
  const Code code(Format::CODEBOOK, Int8Range::full, table.f32());
  double sum = 0;
  for (int64_t i = 0; i < w.elements(); ++i) {
    const float y = number_at(w, i) / scales.f32()[i / w.size(1)];
    const double d = static_cast<double>(y) - code.decode(code.encode(y));
    sum += importance[i % w.size(1)] * d * d;
  }
  return sum;
}

TEST(Log8, HasTheCodesThatItsDefinitionGives) {
  const Tensor x = golden("log.x"), codes = golden("log.codes"), values = golden("log.values");
  for (int64_t i = 0; i < x.elements(); ++i) {
    EXPECT_EQ(float_to_log8(x.f32()[i]), codes.data<uint8_t>()[i]) << x.f32()[i];
  }
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(log8_to_float(static_cast<uint8_t>(code)), values.f32()[code]) << code;
  }
  EXPECT_EQ(float_to_log8(std::nanf("")), 0);
  EXPECT_EQ(float_to_log8(-std::numeric_limits<float>::infinity()), 255);
}

TEST(Codebook, ComesCloseToTheBestThereIs) {
  Threads threads(2);
  for (const std::string name : {"gauss", "laplace"}) {
    const Tensor w = golden(name + ".w"), scales = golden(name + ".scales"), importance = golden(name + ".importance");
    const std::span<const float> weights(importance.f32(), static_cast<size_t>(importance.elements()));
    const Tensor table = learn_codebook(w, per_channel(Format::CODEBOOK), scales, weights, threads);
    EXPECT_TRUE(std::is_sorted(table.f32(), table.f32() + 256)) << name;
    const double ours = weighted_error(w, scales, importance.f32(), table);
    EXPECT_LT(ours, 1.03 * golden(name + ".rounded_error").data<double>()[0]) << name;
    EXPECT_GT(ours, 0.999 * golden(name + ".error").data<double>()[0]) << name;
  }
}

TEST(Codebook, IsTheSameForAnyNumberOfThreads) {
  const Tensor w = golden("laplace.w"), scales = golden("laplace.scales");
  Threads one(1), three(3);
  const Quantization q = per_channel(Format::CODEBOOK);
  const Tensor a = learn_codebook(w, q, scales, {}, one), b = learn_codebook(w, q, scales, {}, three);
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), 1024), 0);
  const QTensor x = quantize(w, q, {}, one), y = quantize(w, q, {}, three);
  EXPECT_EQ(std::memcmp(x.codes.raw(), y.codes.raw(), static_cast<size_t>(x.codes.bytes())), 0);
  EXPECT_EQ(std::memcmp(x.table.raw(), a.raw(), 1024), 0);
}

TEST(Codebook, KeepsMatricesOfFewDifferentNumbers) {
  Threads threads(2);
  Tensor w({3, 40});
  for (int64_t i = 0; i < w.elements(); ++i) w.f32()[i] = static_cast<float>(i % 5 - 2);
  const Tensor back = dequantize(quantize(w, per_channel(Format::CODEBOOK), {}, threads));
  for (int64_t i = 0; i < w.elements(); ++i) EXPECT_NEAR(back.f32()[i], w.f32()[i], 2e-3);
  std::fill(w.f32(), w.f32() + w.elements(), 0.0f);
  const Tensor zeros = dequantize(quantize(w, per_channel(Format::CODEBOOK), {}, threads));
  for (int64_t i = 0; i < zeros.elements(); ++i) EXPECT_EQ(zeros.f32()[i], 0.0f);
}

}  // namespace
}  // namespace octet
