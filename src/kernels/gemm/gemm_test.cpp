#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/layout.h"

namespace octet::kernels {
namespace {

/// A weight with its source's memory.
struct Weight {
  WeightSource source;
  std::vector<std::byte> codes;
  std::vector<float> scales;
  std::vector<int8_t> zero_points;
  std::vector<float> table;
  std::vector<double> values;  // [N,K]
};

struct WeightShape {
  Format format = Format::INT8;
  int64_t n = 0, k = 0, scale_rows = 1, group = 0;
  bool scaled = true, zero_points = false, offset_binary = false;
};

/// Numbers of BF16, among them what INT8 has for the codes 1 and -1.
std::vector<float> codebook(uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> table(256);
  for (float& value : table) value = bf16_to_float(float_to_bf16(normal(random)));
  table[1] = 1, table[255] = -1;
  return table;
}

Weight random_weight(const WeightShape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0.5f, 2.0f);
  Weight w;
  const int64_t group = shape.group ? shape.group : shape.k;
  const int64_t groups = (shape.k + group - 1) / group, bands = (shape.n + shape.scale_rows - 1) / shape.scale_rows;
  const int bytes = format_info(shape.format).bits / 8;
  w.codes.resize(static_cast<size_t>(shape.n * shape.k * bytes));
  if (shape.scaled) {
    for (int64_t i = 0; i < bands * groups; ++i) w.scales.push_back(uniform(random) * 0.01f);
  }
  if (shape.zero_points) {
    for (int64_t i = 0; i < bands * groups; ++i) w.zero_points.push_back(static_cast<int8_t>(random() % 256));
  }
  if (shape.format == Format::CODEBOOK) w.table = codebook(seed);
  for (int64_t n = 0; n < shape.n; ++n) {
    for (int64_t k = 0; k < shape.k; ++k) {
      const bool fp8 = shape.format == Format::E4M3 || shape.format == Format::E5M2;
      const bool tiny = random() % 8 == 0;  // subnormals too
      const float x = shape.format == Format::INT8 ? static_cast<float>(static_cast<int>(random() % 256) - 128)
                                                   : normal(random) * (fp8 && tiny ? 0x1p-8f
                                                                       : fp8       ? 16.0f
                                                                                   : 1.0f);
      const uint32_t code = format_info(shape.format).encode(x, Rounding::half_even, 0);
      const uint32_t stored = shape.offset_binary ? code ^ 0x80 : code;
      std::memcpy(&w.codes[static_cast<size_t>((n * shape.k + k) * bytes)], &stored, static_cast<size_t>(bytes));
      const auto band = static_cast<size_t>(n / shape.scale_rows * groups + k / group);
      const double value = w.table.empty() ? format_info(shape.format).decode(code) : w.table[code];
      const int zero = w.zero_points.empty() ? 0 : w.zero_points[band];
      w.values.push_back((value - zero) * (w.scales.empty() ? 1.0 : static_cast<double>(w.scales[band])));
    }
  }
  w.source = {shape.n,
              shape.k,
              shape.format,
              w.codes.data(),
              shape.offset_binary,
              w.scales.empty() ? nullptr : w.scales.data(),
              w.zero_points.empty() ? nullptr : w.zero_points.data(),
              shape.scale_rows,
              shape.group,
              w.table.empty() ? nullptr : w.table.data()};
  return w;
}

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(count));
  for (float& value : x) value = normal(random);
  return x;
}

/// The numbers that x stands for once it is in `format`, by numeric/ alone.
std::vector<double> as_prepared(const std::vector<float>& x, int64_t m, int64_t k, const InputFormat& format) {
  std::vector<double> values(x.begin(), x.end());
  if (format.format == Format::F32) return values;
  if (format.format == Format::BF16) {
    for (double& v : values) v = static_cast<double>(bf16_to_float(float_to_bf16(static_cast<float>(v))));
    return values;
  }
  const FormatInfo& info = format_info(format.format);
  const int64_t group = format.group ? format.group : k;
  for (int64_t row = 0; row < m; ++row) {
    for (int64_t begin = 0; begin < k; begin += group) {
      const int64_t end = std::min(k, begin + group);
      float amax = 0;
      for (int64_t i = begin; i < end; ++i) amax = std::max(amax, std::fabs(x[static_cast<size_t>(row * k + i)]));
      float scale = amax / (format.format == Format::INT8 ? 127.5f : info.max_finite);
      if (format.e8m0)
        scale = std::exp2(std::floor(std::log2(amax * 8.0f / 7.0f)) - (format.format == Format::E4M3 ? 8 : 15));
      if (format.scale > 0) scale = format.scale;
      for (int64_t i = begin; i < end; ++i) {
        const float q = x[static_cast<size_t>(row * k + i)] / scale + static_cast<float>(format.zero_point);
        const float code = info.decode(info.encode(q, Rounding::half_even, 0));
        values[static_cast<size_t>(row * k + i)] =
            (static_cast<double>(code) - format.zero_point) * static_cast<double>(scale);
      }
    }
  }
  return values;
}

struct Case {
  std::string name;
  WeightShape weight;
  InputFormat input;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

std::vector<Case> cases() {
  const InputFormat f32{}, bf16{Format::BF16}, int8{Format::INT8}, e4m3{Format::E4M3}, e5m2{Format::E5M2};
  const InputFormat static_int8{Format::INT8, 0, false, 0.02f, 0}, asymmetric{Format::INT8, 0, false, 0.02f, 37};
  const InputFormat int8_group{Format::INT8, 64}, e4m3_group{Format::E4M3, 128}, mx{Format::E4M3, 32, true};
  const InputFormat mx_e5m2{Format::E5M2, 32, true}, static_e4m3{Format::E4M3, 0, false, 0.01f, 0};
  const Format i8 = Format::INT8;
  return {
      {"W8A8", {i8, 77, 300}, int8},
      {"W8A8_tensor", {i8, 40, 131, 40}, int8},
      {"W8A8_one_channel_one_column", {i8, 1, 1}, int8},
      {"W8A8_offset_binary", {i8, 33, 64, 1, 0, true, false, true}, int8},
      {"W8A8_STATIC", {i8, 64, 257}, static_int8},
      {"W8A8_ASYM", {i8, 70, 300}, asymmetric},
      {"W8A8_long", {i8, 20, 5000}, int8},
      {"W8A8_groups_of_128", {i8, 50, 1500, 1, 128}, int8},
      {"W8A8_groups_on_both_sides", {i8, 50, 300, 1, 96}, int8_group},
      {"W8A8_groups_of_5", {i8, 50, 63, 1, 5}, int8},
      {"W8A8_groups_of_1", {i8, 35, 17, 1, 1}, int8_group},
      {"W8A8_input_groups", {i8, 50, 300}, int8_group},
      {"W8A8_zero_points", {i8, 50, 300, 1, 0, true, true}, int8},
      {"W8A8_zero_points_everywhere", {i8, 50, 300, 1, 7, true, true, true}, asymmetric},
      {"W8A8_blocks", {i8, 140, 200, 128, 128}, int8_group},
      {"W8A16", {i8, 50, 700, 1, 128}, bf16},
      {"W8A16_channel", {i8, 32, 4100}, bf16},
      {"W8A16_zero_points", {i8, 50, 301, 1, 5, true, true}, bf16},
      {"W8A32", {i8, 50, 301, 1, 32}, f32},
      {"W8A32_zero_points", {i8, 50, 301, 1, 9, true, true, true}, f32},
      {"FP8", {Format::E4M3, 70, 300, 70}, static_e4m3},
      {"FP8_DYNAMIC", {Format::E4M3, 70, 1301}, e4m3},
      {"FP8_DYNAMIC_E5M2", {Format::E5M2, 70, 301}, e5m2},
      {"FP8_BLOCK", {Format::E4M3, 150, 700, 128, 128}, e4m3_group},
      {"FP8_input_groups_only", {Format::E4M3, 150, 700}, e4m3_group},
      {"FP8A16", {Format::E4M3, 50, 130}, bf16},
      {"FP8A32", {Format::E4M3, 50, 130}, f32},
      {"E5M2_A32", {Format::E5M2, 50, 130}, f32},
      {"LOG8A16", {Format::LOG8, 50, 301}, bf16},
      {"LOG8A32", {Format::LOG8, 50, 301, 1, 32}, f32},
      {"CODEBOOK8A16", {Format::CODEBOOK, 70, 1301}, bf16},
      {"CODEBOOK8A32", {Format::CODEBOOK, 50, 301}, f32},
      {"CODEBOOK8_groups", {Format::CODEBOOK, 50, 301, 1, 32}, bf16},
      {"MXFP8", {Format::E4M3, 50, 321, 1, 32}, mx},
      {"MX_E5M2", {Format::E5M2, 50, 321, 1, 32}, mx_e5m2},
      {"FP8_mixed_with_INT8", {Format::E4M3, 50, 130}, asymmetric},
      {"INT8_mixed_with_FP8", {i8, 50, 130}, e4m3},
      {"F32_weight_FP8_input", {Format::F32, 50, 131, 1, 0, false}, e4m3_group},
      {"BF16", {Format::BF16, 75, 601, 1, 0, false}, bf16},
      {"BF16_A32", {Format::BF16, 75, 301, 1, 0, false}, f32},
      {"FP16", {Format::FP16, 75, 301, 1, 0, false}, f32},
      {"FP16_A16", {Format::FP16, 75, 301, 1, 0, false}, bf16},
      {"F32", {Format::F32, 75, 1301, 1, 0, false}, f32},
  };
}

std::vector<Case> int8_cases() {
  std::vector<Case> some;
  for (const Case& c : cases()) {
    if (arithmetic_of(c.input, c.weight.format) == Arithmetic::int8) some.push_back(c);
  }
  return some;
}

/// A packed weight and the kernels to multiply it with.
struct Variant {
  std::string name;
  std::shared_ptr<PackedWeight::Layout> weight;
  Arithmetic wide;
  GemmKernels kernels;
};

/// Every row of the two lists that this machine can run, each tile with the best widening, each widening with the best
/// tile; what is exact in BF16 multiplied both ways.
std::vector<Variant> variants(const WeightSource& source, const InputFormat& input, Threads& threads) {
  std::vector<Variant> all;
  const Features usable = usable_features();
  const auto best_widen = choose(widen_kernels()).run;
  for (const Arithmetic wide : {Arithmetic::f32, Arithmetic::bf16}) {
    if (wide == Arithmetic::bf16 && held_as(input, wide) != wide) continue;
    auto weight = std::make_shared<PackedWeight::Layout>();
    pack(*weight, source, input, threads, wide);
    const auto best_tile = choose(tile_kernels(weight->arithmetic)).run;
    for (const auto& tile : tile_kernels(weight->arithmetic)) {
      for (const auto& widen : widen_kernels()) {
        if (((tile.needs | widen.needs) & ~usable) != 0) continue;
        if (tile.run != best_tile && widen.run != best_widen) continue;
        if (weight->encoding == Encoding::direct && widen.run != best_widen) continue;
        const char* held = wide == Arithmetic::bf16 ? " of BF16" : "";
        const std::string name = fmt::format("{}{} after {}", tile.name, held, widen.name);
        all.push_back({name, weight, wide, {tile.run, widen.run}});
        if (tile.run != best_tile || widen.run != best_widen) continue;
        all.push_back({name + ", and groups and few tokens", weight, wide, best_kernels(weight->arithmetic)});
      }
    }
  }
  return all;
}

std::vector<float> product(const Variant& v, const std::vector<float>& x, int64_t m, const float* bias,
                           Threads& threads, int64_t extra = 3) {
  const PackedWeight::Layout& w = *v.weight;
  PreparedInput::Layout input;
  prepare(input, x.data(), m, w.k, w.k, w.input, threads, v.wide);
  std::vector<float> y(static_cast<size_t>(m * (w.n + extra)), -7.0f), dense;
  gemm_with(v.kernels, input, w, bias, y.data(), w.n + extra, threads);
  for (int64_t row = 0; row < m; ++row) {
    const float* from = &y[static_cast<size_t>(row * (w.n + extra))];
    dense.insert(dense.end(), from, from + w.n);
    for (int64_t i = 0; i < extra; ++i) EXPECT_EQ(from[w.n + i], -7.0f) << "wrote past the end of a row";
  }
  return dense;
}

class Gemm : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Formats, Gemm, testing::ValuesIn(cases()), [](const auto& info) { return info.param.name; });

class Int8Gemm : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Formats, Int8Gemm, testing::ValuesIn(int8_cases()),
                         [](const auto& info) { return info.param.name; });

TEST_P(Gemm, AgreesWithFloat64) {
  const Case& c = GetParam();
  Threads threads(2);
  const Weight weight = random_weight(c.weight, 1);
  const auto all = variants(weight.source, c.input, threads);
  const int64_t n = c.weight.n, k = c.weight.k;
  const auto bias = random_floats(n, 3);
  for (const int64_t m : {int64_t{1}, int64_t{3}, int64_t{29}}) {
    const auto x = random_floats(m * k, static_cast<uint32_t>(m));
    const auto values = as_prepared(x, m, k, c.input);
    for (const Variant& v : all) {
      const auto y = product(v, x, m, bias.data(), threads);
      for (int64_t row = 0; row < m; ++row) {
        for (int64_t col = 0; col < n; ++col) {
          double sum = bias[static_cast<size_t>(col)], size = std::fabs(sum);
          for (int64_t i = 0; i < k; ++i) {
            const double term =
                values[static_cast<size_t>(row * k + i)] * weight.values[static_cast<size_t>(col * k + i)];
            sum += term;
            size += std::fabs(term);
          }
          // A sum of K terms in F32 loses at most K/2^24 of the sum of their magnitudes; the offset of zero points as
          // much.
          const double slack = c.weight.zero_points ? 64 : 4;
          const double bound = size * slack * (std::sqrt(static_cast<double>(k)) + 4) * 0x1p-24 + 1e-30;
          ASSERT_NEAR(y[static_cast<size_t>(row * n + col)], sum, bound)
              << v.name << " at " << row << ", " << col << " of M=" << m;
        }
      }
    }
  }
}

TEST_P(Gemm, RowsDoNotDependOnTheirCompanyNorOnThreads) {
  const Case& c = GetParam();
  Threads one(1), two(2);
  const Weight weight = random_weight(c.weight, 2);
  const int64_t k = c.weight.k, n = c.weight.n, most = 40;
  const auto x = random_floats(most * k, 5);
  for (const Variant& v : variants(weight.source, c.input, one)) {
    const auto together = product(v, x, most, nullptr, two);
    for (const int64_t m : {1, 2, 3, 4, 5, 7, 8, 11, 12, 13, 25, 36, 40}) {
      const std::vector<float> some(x.end() - m * k, x.end());
      const auto y = product(v, some, m, nullptr, one, 0);
      const std::vector<float> expected(together.end() - m * n, together.end());
      ASSERT_TRUE(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0) << v.name << " with M=" << m;
    }
  }
}

TEST_P(Int8Gemm, IntegerSumsEqualTheReferenceBitForBit) {
  const Case& c = GetParam();
  Threads threads(2);
  const Weight weight = random_weight(c.weight, 3);
  const auto all = variants(weight.source, c.input, threads);
  const auto x = random_floats(31 * c.weight.k, 6);
  const auto bias = random_floats(c.weight.n, 3);
  ASSERT_EQ(all.back().kernels.tile, int8_tile__reference);
  const auto expected = product(all.back(), x, 31, bias.data(), threads);
  for (const Variant& v : all) {
    const auto y = product(v, x, 31, bias.data(), threads);
    ASSERT_TRUE(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0) << v.name;
  }
}

TEST(GemmLimits, Int8RowsTooLongForOneInt32SumAreStillExact) {
  Threads threads(1);
  const int64_t k = 140000;
  const std::vector<int8_t> codes(static_cast<size_t>(3 * k), 127);
  const std::vector<float> x(static_cast<size_t>(k), 1.0f);
  const InputFormat format{Format::INT8, 0, false, 1.0f / 64, 0};  // each input is code 64
  const WeightSource source{3, k, Format::INT8, reinterpret_cast<const std::byte*>(codes.data())};
  for (const Variant& v : variants(source, format, threads)) {
    const auto y = product(v, x, 1, nullptr, threads);
    for (const float value : y) EXPECT_FLOAT_EQ(value, 127.0f * static_cast<float>(k)) << v.name;
  }
}

TEST(GemmLimits, ExtremeCodesDoNotSaturate) {
  Threads threads(1);
  const int64_t k = 512;
  std::vector<int8_t> codes(static_cast<size_t>(2 * k), -128);
  std::fill(codes.begin() + k, codes.end(), int8_t{127});
  std::vector<float> x(static_cast<size_t>(k), -127.5f);  // code -128
  const InputFormat format{Format::INT8};
  const WeightSource source{2, k, Format::INT8, reinterpret_cast<const std::byte*>(codes.data())};
  for (const Variant& v : variants(source, format, threads)) {
    const auto y = product(v, x, 1, nullptr, threads);
    EXPECT_EQ(y[0], 128.0f * 128 * static_cast<float>(k)) << v.name;
    EXPECT_EQ(y[1], -127.0f * 128 * static_cast<float>(k)) << v.name;
  }
}

TEST(GemmWidening, EveryCodeIsExactInEveryRow) {
  const std::vector<float> own = codebook(1);
  for (const Format format : {Format::E4M3, Format::E5M2, Format::INT8, Format::LOG8, Format::CODEBOOK}) {
    CodeTable table;
    fill_table(format, table, format == Format::CODEBOOK ? own.data() : nullptr);
    std::vector<uint8_t> codes(64 * 8);
    for (size_t i = 0; i < 256; ++i) codes[i] = codes[511 - i] = static_cast<uint8_t>(i);
    for (const Encoding encoding : {Encoding::bytes_bf16, Encoding::bytes_f32, Encoding::int8_f32}) {
      const int64_t steps = 512 / kEncodingStepBytes[static_cast<int>(encoding)];
      Buffer expected(static_cast<size_t>(steps * kPanelStepBytes)), got(static_cast<size_t>(steps * kPanelStepBytes));
      widen__reference({encoding, reinterpret_cast<const std::byte*>(codes.data()), steps, &table, expected.data()});
      for (const auto& kernel : widen_kernels()) {
        if (kernel.needs & ~usable_features()) continue;
        kernel.run({encoding, reinterpret_cast<const std::byte*>(codes.data()), steps, &table, got.data()});
        EXPECT_EQ(std::memcmp(got.data(), expected.data(), static_cast<size_t>(steps * kPanelStepBytes)), 0)
            << kernel.name;
      }
    }
  }
}

TEST(GemmWidening, EveryBf16AndFp16IsExactInEveryRow) {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  for (const Encoding encoding : {Encoding::bf16_f32, Encoding::fp16_f32}) {
    Buffer expected(65536 * 4), got(65536 * 4);
    widen__reference({encoding, reinterpret_cast<const std::byte*>(codes.data()), 2048, nullptr, expected.data()});
    for (const auto& kernel : widen_kernels()) {
      if (kernel.needs & ~usable_features()) continue;
      kernel.run({encoding, reinterpret_cast<const std::byte*>(codes.data()), 2048, nullptr, got.data()});
      EXPECT_EQ(std::memcmp(got.data(), expected.data(), 65536 * 4), 0) << kernel.name;
    }
  }
}

TEST(PreparedInput, FusedNormEqualsTheNormThenPrepared) {
  Threads threads(2);
  const int64_t m = 9, k = 333;
  const auto x = random_floats(m * k, 8), weight = random_floats(k, 9);
  for (const InputFormat& format :
       {InputFormat{}, InputFormat{Format::BF16}, InputFormat{Format::INT8}, InputFormat{Format::E4M3, 128}}) {
    std::vector<float> normed(x.size());
    rms_norm(x.data(), m, k, weight.data(), 1e-5f, normed.data(), threads);
    PreparedInput fused, plain;
    fused.prepare_rms_norm(x.data(), m, k, weight.data(), 1e-5f, format, threads);
    plain.prepare(normed.data(), m, k, k, format, threads);
    EXPECT_EQ(std::memcmp(fused.layout().rows.data(), plain.layout().rows.data(),
                          static_cast<size_t>(m * plain.layout().row_bytes)),
              0);
  }
}

TEST(PreparedInput, FusedSwigluEqualsItsPartsThenPrepared) {
  Threads threads(2);
  const int64_t m = 5, k = 130, stride = 150;
  const auto gate = random_floats(m * stride, 8), up = random_floats(m * stride, 9);
  std::vector<float> y(static_cast<size_t>(m * k));
  for (int64_t row = 0; row < m; ++row)
    silu_multiply(&gate[static_cast<size_t>(row * stride)], &up[static_cast<size_t>(row * stride)],
                  &y[static_cast<size_t>(row * k)], k);
  PreparedInput fused, plain;
  fused.prepare_swiglu(gate.data(), up.data(), m, k, stride, {Format::INT8}, threads);
  plain.prepare(y.data(), m, k, k, {Format::INT8}, threads);
  EXPECT_EQ(std::memcmp(fused.layout().rows.data(), plain.layout().rows.data(),
                        static_cast<size_t>(m * plain.layout().row_bytes)),
            0);
}

TEST(PackedWeight, HoldsLittleMoreThanItsSource) {
  Threads threads(2);
  for (const Case& c : {Case{"", {Format::INT8, 512, 1024}, {Format::INT8}},
                        Case{"", {Format::INT8, 512, 1024, 1, 128}, {Format::BF16}},
                        Case{"", {Format::E4M3, 512, 1024, 128, 128}, {Format::E4M3, 128}},
                        Case{"", {Format::BF16, 512, 1024, 1, 0, false}, {Format::BF16}}}) {
    const Weight weight = random_weight(c.weight, 1);
    const PackedWeight packed(weight.source, c.input, threads);
    EXPECT_LT(static_cast<double>(packed.bytes()), 1.06 * static_cast<double>(weight.codes.size()));
  }
}

TEST(PackedWeight, RefusesWhatCannotBe) {
  Threads threads(1);
  const std::byte code{};
  EXPECT_THROW(PackedWeight({0, 1, Format::INT8, &code}, {}, threads), Error);
  EXPECT_THROW(PackedWeight({int64_t{1} << 40, int64_t{1} << 40, Format::INT8, &code}, {}, threads), Error);
  EXPECT_THROW(PackedWeight({1, 1, Format::E8M0, &code}, {}, threads), Error);
}

TEST(GemmLimits, RefusesAnInputOfAnotherWidthOrFormat) {
  Threads threads(1);
  const Weight weight = random_weight({Format::INT8, 8, 16}, 1);
  const PackedWeight packed(weight.source, {Format::INT8}, threads);
  const auto x = random_floats(32, 1);
  float y[16];
  PreparedInput input;
  input.prepare(x.data(), 1, 17, 17, {Format::INT8}, threads);
  EXPECT_THROW(gemm(input, packed, nullptr, y, 8, threads), Error);
  input.prepare(x.data(), 1, 16, 16, {Format::BF16}, threads);
  EXPECT_THROW(gemm(input, packed, nullptr, y, 8, threads), Error);
}

}  // namespace
}  // namespace octet::kernels
