#include "kernels/convert/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "kernels/convert/convert_list.h"
#include "numeric/random.h"

namespace octet::kernels {
namespace {

std::vector<Kernel<const ConvertKernel>> runnable() {
  std::vector<Kernel<const ConvertKernel>> rows;
  for (const auto& row : convert_kernels()) {
    if ((row.needs & ~cpu_features()) == 0) rows.push_back(row);
  }
  return rows;
}

constexpr int64_t kLengths[] = {0, 1, 7, 8, 15, 16, 17, 31, 33, 63, 64, 100, 129, 1000};

/// n values, as far from alignment as their type allows a caller to be, with a canary behind them.
template <typename T>
class Odd {
 public:
  explicit Odd(int64_t n, size_t offset = alignof(T))
      : bytes_(static_cast<size_t>(n) * sizeof(T) + offset + 64, 0xA5), offset_(offset) {}
  Odd(const std::vector<T>& values, int64_t n) : Odd(n, 1) {
    if (n > 0) std::memcpy(bytes_.data() + offset_, values.data(), static_cast<size_t>(n) * sizeof(T));
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data() + offset_); }
  bool operator==(const Odd&) const = default;

 private:
  std::vector<uint8_t> bytes_;
  size_t offset_;
};

// Bit patterns of every exponent, the borders of the 8-bit formats among them.
std::vector<float> patterns(int64_t n) {
  const RandomStream random(3, 0, 0);
  std::vector<float> x(static_cast<size_t>(n));
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::bit_cast<float>(random.bits(i));
  return x;
}

// Every border between two codes of a format, its neighbours, and what no format likes.
std::vector<float> borders(Format format) {
  const FormatInfo& info = format_info(format);
  std::vector<float> x = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, -NAN, 1e-45f, -1e-45f, 3e38f, -3e38f};
  for (uint32_t code = 0; code < 127; ++code) {
    const float a = info.decode(code), b = info.decode(code + 1);
    if (!std::isfinite(a)) continue;
    const float middle = std::isfinite(b) ? (a + b) / 2 : a * 1.03125f;
    for (const float value : {a, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)}) {
      x.push_back(value);
      x.push_back(-value);
    }
  }
  return x;
}

TEST(Convert, WidensEveryCodeToTheBitsOfNumeric) {
  std::vector<uint16_t> halves(65536);
  std::vector<uint8_t> bytes(256);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  for (const auto& row : runnable()) {
    const auto check = [&](ConvertKernel::ToFloat* widen, const auto& codes, const FormatInfo& info) {
      std::vector<float> out(codes.size());
      widen(codes.data(), static_cast<int64_t>(codes.size()), out.data());
      for (size_t i = 0; i < codes.size(); ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(info.decode(codes[i])))
            << row.name << " " << info.name << " code " << i;
      }
    };
    check(row.run->bf16_to_float, halves, format_info(Format::BF16));
    check(row.run->fp16_to_float, halves, format_info(Format::FP16));
    check(row.run->e4m3_to_float, bytes, format_info(Format::E4M3));
    check(row.run->e5m2_to_float, bytes, format_info(Format::E5M2));
    check(row.run->int8_to_float, bytes, format_info(Format::INT8));
  }
}

TEST(Convert, NarrowsToTheBitsOfNumeric) {
  auto x = patterns(50000);
  for (const float border : borders(Format::E5M2)) x.push_back(border);
  // Ties of BF16 and FP16, subnormal ones too.
  for (uint32_t code = 0; code < 0x8000; code += 7) {
    x.push_back(std::bit_cast<float>((code << 16) | 0x8000));
    x.push_back(fp16_to_float(static_cast<uint16_t>(code)) * 1.00048828125f);
  }
  const auto n = static_cast<int64_t>(x.size());
  for (const auto& row : runnable()) {
    std::vector<uint16_t> bf16(x.size()), fp16(x.size());
    row.run->to_bf16(x.data(), n, bf16.data());
    row.run->to_fp16(x.data(), n, fp16.data());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(bf16[i], float_to_bf16(x[i])) << row.name << " " << x[i];
      ASSERT_EQ(fp16[i], float_to_fp16(x[i])) << row.name << " " << x[i];
    }
  }
}

TEST(Convert, EncodesEveryBorderAsNumericDoes) {
  for (const auto& row : runnable()) {
    for (const Format format : {Format::E4M3, Format::E5M2, Format::INT8}) {
      auto x = borders(format);
      for (const float value : patterns(20000)) x.push_back(value);
      const auto n = static_cast<int64_t>(x.size());
      std::vector<uint8_t> codes(x.size());
      int64_t clamped = 0, expected_clamped = 0;
      if (format == Format::E4M3) clamped = row.run->to_e4m3[0](x.data(), n, 1, codes.data());
      if (format == Format::E5M2) clamped = row.run->to_e5m2[0](x.data(), n, 1, codes.data());
      if (format == Format::INT8)
        clamped = row.run->to_int8[0](x.data(), n, 1, 0, -128, reinterpret_cast<int8_t*>(codes.data()));
      const FormatInfo& info = format_info(format);
      for (size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(codes[i], info.encode(x[i], Rounding::half_even, 0)) << row.name << " " << info.name << " " << x[i];
        const float lowest = format == Format::INT8 ? -128 : -info.max_finite;
        expected_clamped += x[i] > info.max_finite || x[i] < lowest;
      }
      EXPECT_EQ(clamped, expected_clamped) << row.name << " " << info.name;
    }
  }
}

// A source of n values, in each format a kernel reads, at an odd address.
struct Values {
  Odd<float> f32;
  Odd<uint16_t> bf16, fp16;
  explicit Values(const std::vector<float>& x, int64_t n) : f32(x, n), bf16(n, 1), fp16(n, 1) {
    for (int64_t i = 0; i < n; ++i) {
      const uint16_t b = float_to_bf16(x[i]), f = float_to_fp16(x[i]);
      std::memcpy(reinterpret_cast<char*>(bf16.data()) + 2 * i, &b, 2);
      std::memcpy(reinterpret_cast<char*>(fp16.data()) + 2 * i, &f, 2);
    }
  }
  const void* of(int source) {
    if (source == 0) return f32.data();
    return source == 1 ? bf16.data() : fp16.data();
  }
};

TEST(Convert, AnyLengthAndAlignmentEqualsTheReference) {
  std::vector<float> x(1000);
  const RandomStream random(5, 0, 0);
  for (size_t i = 0; i < x.size(); ++i) x[i] = (random.uniform(i) - 0.5f) * 20;
  const ConvertKernel& reference = kConvertReference;
  for (const auto& row : runnable()) {
    for (const int64_t n : kLengths) {
      Values values(x, n);
      for (int source = 0; source < kSources; ++source) {
        const void* from = values.of(source);
        EXPECT_EQ(row.run->amax[source](from, n), reference.amax[source](from, n)) << row.name << " " << n;
        const auto range = row.run->min_max[source](from, n), expected = reference.min_max[source](from, n);
        EXPECT_EQ(range.min, expected.min) << row.name << " " << n;
        EXPECT_EQ(range.max, expected.max) << row.name << " " << n;
        EXPECT_TRUE(range.finite);
        const auto check = [&](const char* what, auto convert) {
          Odd<uint8_t> codes(n), expected_codes(n);
          const int64_t clamped = convert(*row.run, codes.data());
          EXPECT_EQ(clamped, convert(reference, expected_codes.data())) << row.name << " " << what << " " << n;
          EXPECT_TRUE(codes == expected_codes) << row.name << " " << what << " " << n << " from " << source;
        };
        for (const float scale : {0.0137f, 3.0f, 0.0f, INFINITY, NAN, 1e-42f}) {
          check("e4m3", [&](const ConvertKernel& k, uint8_t* out) { return k.to_e4m3[source](from, n, scale, out); });
          check("e5m2",
                [&](const ConvertKernel& k, uint8_t* out) { return k.to_e5m2[source](from, n, scale / 64, out); });
          check("int8", [&](const ConvertKernel& k, uint8_t* out) {
            return k.to_int8[source](from, n, scale, -3, -127, reinterpret_cast<int8_t*>(out));
          });
        }
      }
      Odd<float> wide(n), expected_wide(n);
      row.run->bf16_to_float(values.bf16.data(), n, wide.data());
      reference.bf16_to_float(values.bf16.data(), n, expected_wide.data());
      EXPECT_TRUE(wide == expected_wide) << row.name << " " << n;
      row.run->e4m3_to_float(values.bf16.data(), n, wide.data());
      reference.e4m3_to_float(values.bf16.data(), n, expected_wide.data());
      EXPECT_TRUE(wide == expected_wide) << row.name << " " << n;
      Odd<uint16_t> narrow(n), expected_narrow(n);
      row.run->to_bf16(values.f32.data(), n, narrow.data());
      reference.to_bf16(values.f32.data(), n, expected_narrow.data());
      EXPECT_TRUE(narrow == expected_narrow) << row.name << " " << n;
      row.run->to_fp16(values.f32.data(), n, narrow.data());
      reference.to_fp16(values.f32.data(), n, expected_narrow.data());
      EXPECT_TRUE(narrow == expected_narrow) << row.name << " " << n;
    }
  }
}

TEST(Convert, RangesTellOfNanAndInfinityWhereverTheyAre) {
  for (const auto& row : runnable()) {
    for (int64_t at = 0; at < 133; at += 11) {
      for (const float odd : {NAN, -INFINITY}) {
        std::vector<float> x(133, -2.0f);
        x[0] = 1.5f;
        x[at] = odd;
        Values values(x, 133);
        for (int source = 0; source < kSources; ++source) {
          const float amax = row.run->amax[source](values.of(source), 133);
          EXPECT_TRUE(std::isnan(odd) ? std::isnan(amax) : std::isinf(amax)) << row.name << " " << source;
          const auto range = row.run->min_max[source](values.of(source), 133);
          EXPECT_FALSE(range.finite) << row.name << " " << source;
          EXPECT_EQ(range.max, at == 0 ? -2.0f : 1.5f) << row.name << " " << source;
        }
      }
    }
  }
}

TEST(Convert, RoundsInEveryModeAskedFor) {
  const float x[] = {0.5f, 1.5f, -2.5f, 2.75f, 400};
  int8_t codes[5];
  EXPECT_EQ(quantize_to_int8(x, 5, 1, 0, Rounding::half_even, codes), 1);
  EXPECT_EQ(std::vector<int>(codes, codes + 5), (std::vector<int>{0, 2, -2, 3, 127}));
  EXPECT_EQ(quantize_to_int8(x, 5, 1, 0, Rounding::half_away, codes), 1);
  EXPECT_EQ(std::vector<int>(codes, codes + 5), (std::vector<int>{1, 2, -3, 3, 127}));
  EXPECT_EQ(quantize_to_int8(x, 5, 1, 1, Rounding::toward_zero, codes), 1);
  EXPECT_EQ(std::vector<int>(codes, codes + 5), (std::vector<int>{1, 2, -1, 3, 127}));
  EXPECT_THROW(quantize_to_int8(x, 5, 1, 0, Rounding::stochastic, codes), Error);
  EXPECT_THROW(amax(Format::E4M3, x, 5), Error);
}

}  // namespace
}  // namespace octet::kernels
