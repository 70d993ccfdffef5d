#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "kernels/quantize/list.h"

namespace octet::kernels {
namespace {

struct Result {
  std::vector<std::byte> out;
  std::vector<float> scales;
};

Result quantize(QuantizeFunction* kernel, QuantizeRow row, const std::vector<float>& x) {
  Result result;
  result.out.resize(x.size() * 4 + 8, std::byte{0x5A});
  result.scales.resize(x.size() + 1, 7.0f);
  row.x = x.data();
  row.k = static_cast<int64_t>(x.size());
  row.group = row.group ? row.group : row.k;
  row.out = result.out.data();
  row.scales = result.scales.data();
  kernel(row);
  return result;
}

/// One NaN is as good as another.
void make_nans_equal(const QuantizeRow& row, Result& result) {
  for (float& scale : result.scales) scale = scale == scale ? scale : 0x1p-100f;
  const bool floats = row.format == RowFormat::f32 || row.wide;
  if (row.format == RowFormat::int8) return;
  if (floats) {
    auto* values = reinterpret_cast<uint32_t*>(result.out.data());
    for (size_t i = 0; i < result.out.size() / 4; ++i)
      values[i] = (values[i] & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC00000 : values[i];
  } else {
    auto* values = reinterpret_cast<uint16_t*>(result.out.data());
    for (size_t i = 0; i < result.out.size() / 2; ++i) values[i] = (values[i] & 0x7FFF) > 0x7F80 ? 0x7FC0 : values[i];
  }
}

void expect_all_rows_equal(const QuantizeRow& row, const std::vector<float>& x, const std::string& what) {
  Result expected = quantize(quantize_row__reference, row, x);
  make_nans_equal(row, expected);
  for (const auto& kernel : quantize_kernels()) {
    if (kernel.needs & ~usable_features()) continue;
    Result got = quantize(kernel.run, row, x);
    make_nans_equal(row, got);
    EXPECT_EQ(std::memcmp(got.out.data(), expected.out.data(), expected.out.size()), 0) << kernel.name << ": " << what;
    EXPECT_EQ(std::memcmp(got.scales.data(), expected.scales.data(), expected.scales.size() * 4), 0)
        << kernel.name << ": " << what;
  }
}

std::vector<QuantizeRow> row_kinds() {
  std::vector<QuantizeRow> kinds;
  for (const RowFormat format : {RowFormat::f32, RowFormat::bf16, RowFormat::int8, RowFormat::e4m3, RowFormat::e5m2}) {
    for (const bool wide : {false, true}) {
      for (const int64_t group : {0, 1, 7, 32, 128}) {
        for (const bool e8m0 : {false, true}) {
          if (e8m0 && (format != RowFormat::e4m3 && format != RowFormat::e5m2)) continue;
          if (wide && (format == RowFormat::int8 || format == RowFormat::f32)) continue;
          kinds.push_back({.format = format, .group = group, .e8m0 = e8m0, .wide = wide});
        }
      }
      kinds.push_back({.format = format, .scale = 0.0123f, .wide = wide});
      if (format == RowFormat::int8) kinds.push_back({.format = format, .scale = 0.0123f, .zero_point = -37});
    }
  }
  return kinds;
}

TEST(Quantize, EveryRowOfTheListEqualsTheReferenceBitForBit) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const size_t k : {1u, 15u, 64u, 1000u}) {
    for (const float size : {1.0f, 1e-6f, 1e30f, 1e-30f, 1e-43f, 3e38f}) {
      std::vector<float> x(k);
      for (float& value : x) value = std::fmax(-3.4e38f, std::fmin(3.4e38f, normal(random) * size));
      for (const QuantizeRow& row : row_kinds())
        expect_all_rows_equal(row, x, "normal numbers times " + std::to_string(size));
    }
  }
}

TEST(Quantize, AnyBitsAtAllGiveTheSameBitsInEveryRow) {
  std::mt19937 random(2);
  std::vector<float> x(777);
  for (float& value : x) value = std::bit_cast<float>(static_cast<uint32_t>(random()));
  for (const QuantizeRow& row : row_kinds()) expect_all_rows_equal(row, x, "random bits");
}

TEST(Quantize, SpecialValuesGiveTheSameBitsInEveryRow) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::vector<float>> rows = {
      {0.0f, -0.0f, 0.0f},
      {1.0f, -0.0f, 0.0f, -1e-30f, 1e-44f},
      {infinity, 1.0f},
      {-infinity, 1.0f, -2.0f},
      {nan, 1.0f},
      {-nan, infinity, 3.0f},
      {448.0f, 464.0f, 463.9f, 0.0009765625f, 0.00146484375f, -0.00048828125f},
      {57344.0f, 61440.0f, 1e-5f, 7.62939453125e-06f}};
  for (const auto& x : rows) {
    for (const QuantizeRow& row : row_kinds()) expect_all_rows_equal(row, x, "special values");
  }
}

TEST(Quantize, TiesAreDividedNotMultiplied) {
  // x = s · (n + 1/2) and its neighbours, where a reciprocal would go astray.
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(1.0f, 2.0f);
  for (int trial = 0; trial < 300; ++trial) {
    const float scale = uniform(random) * 0.01f;
    std::vector<float> x;
    for (int n = -128; n < 128; ++n) {
      const float tie = scale * (static_cast<float>(n) + 0.5f);
      x.insert(x.end(), {tie, std::nextafter(tie, 1e9f), std::nextafter(tie, -1e9f)});
    }
    for (const RowFormat format : {RowFormat::int8, RowFormat::e4m3, RowFormat::e5m2}) {
      expect_all_rows_equal({.format = format, .scale = scale}, x, "ties");
      expect_all_rows_equal({.format = format}, x, "ties");
    }
  }
}

TEST(Quantize, Int8DividesTheLargestMagnitudeBy127AndAHalf) {
  const std::vector<float> x = {-1.9f, 1.0f, 0.5f, 2.0f};
  const Result result = quantize(quantize_row, {.format = RowFormat::int8}, x);
  EXPECT_EQ(result.scales[0], 2.0f / 127.5f);
  const auto* codes = reinterpret_cast<const int8_t*>(result.out.data());
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(codes[i], std::nearbyint(x[i] / (2.0f / 127.5f))) << x[i];
}

TEST(Quantize, ARowOfZerosGetsAScaleThatIsNotZero) {
  for (const RowFormat format : {RowFormat::int8, RowFormat::e4m3, RowFormat::e5m2}) {
    const Result result = quantize(quantize_row, {.format = format}, std::vector<float>(20, 0.0f));
    EXPECT_EQ(result.scales[0], 0x1p-23f);
    EXPECT_EQ(result.out[0], std::byte{0});
  }
}

TEST(SumCodes, EveryRowOfTheListAgrees) {
  std::mt19937 random(4);
  for (const size_t k : {0u, 1u, 63u, 64u, 1000u, 32768u}) {
    std::vector<int8_t> codes(k);
    for (int8_t& code : codes) code = static_cast<int8_t>(random());
    for (const auto& kernel : sum_kernels()) {
      if (kernel.needs & ~usable_features()) continue;
      EXPECT_EQ(kernel.run(codes.data(), static_cast<int64_t>(k)),
                sum_codes__reference(codes.data(), static_cast<int64_t>(k)))
          << kernel.name;
    }
  }
}

}  // namespace
}  // namespace octet::kernels
