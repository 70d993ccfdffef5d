// Every code decoded, every 16-bit value and every tie encoded, against the answers of ml_dtypes in
// tests/golden/numeric/tables.txt (made by tests/golden/make_numeric_goldens.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "numeric/formats.h"
#include "numeric/mx_scale.h"

namespace octet {
namespace {

using Table = std::vector<uint32_t>;

std::map<std::string, Table> read_tables() {
  std::ifstream file(OCTET_GOLDEN_DIR "/numeric/tables.txt");
  std::map<std::string, Table> tables;
  std::string name;
  size_t size = 0;
  while (file >> name >> size) {
    Table& table = tables[name];
    while (table.size() < size) {
      size_t count = 0;
      uint32_t first = 0;
      int64_t step = 0;
      if (!(file >> std::dec >> count >> std::hex >> first >> std::dec >> step)) return {};
      for (size_t i = 0; i < count; ++i) {
        table.push_back(static_cast<uint32_t>(first + step * static_cast<int64_t>(i)));
      }
    }
  }
  return tables;
}

const Table& golden(const std::string& name) {
  static const std::map<std::string, Table> kTables = read_tables();
  static const Table kNone;
  const auto found = kTables.find(name);
  return found == kTables.end() ? kNone : found->second;
}

/// Checks compute(i) against the table, where it differs at most once.
template <typename Compute>
void expect_table(const std::string& name, size_t size, Compute compute) {
  const Table& table = golden(name);
  ASSERT_EQ(table.size(), size) << name;
  for (size_t i = 0; i < size; ++i) {
    ASSERT_EQ(table[i], static_cast<uint32_t>(compute(i))) << name << " at " << i;
  }
}

uint32_t quiet_bits(float x) {
  return std::isnan(x) ? 0x7FC00000 : std::bit_cast<uint32_t>(x);
}

uint32_t quiet_code(Format format, float x) {
  const uint32_t code = format_info(format).encode(x, Rounding::half_even, 0);
  if (!std::isnan(x)) return code;
  return format == Format::BF16 ? (code & 0x7FC0) : format == Format::FP16 ? (code & 0x7E00) : code;
}

TEST(Formats, DecodeEveryCodeAsMlDtypesDoes) {
  expect_table("decode_e4m3", 256, [](size_t i) { return quiet_bits(e4m3_to_float(static_cast<uint8_t>(i))); });
  expect_table("decode_e5m2", 256, [](size_t i) { return quiet_bits(e5m2_to_float(static_cast<uint8_t>(i))); });
  expect_table("decode_e8m0", 256, [](size_t i) { return quiet_bits(e8m0_to_float(static_cast<uint8_t>(i))); });
  expect_table("decode_bf16", 65536, [](size_t i) { return quiet_bits(bf16_to_float(static_cast<uint16_t>(i))); });
  expect_table("decode_fp16", 65536, [](size_t i) { return quiet_bits(fp16_to_float(static_cast<uint16_t>(i))); });
}

TEST(Formats, EncodeEveryBf16AsMlDtypesDoes) {
  const auto value = [](size_t i) { return bf16_to_float(static_cast<uint16_t>(i)); };
  expect_table("bf16_to_e4m3", 65536, [&](size_t i) { return float_to_e4m3(value(i)); });
  expect_table("bf16_to_e5m2", 65536, [&](size_t i) { return float_to_e5m2(value(i)); });
  expect_table("bf16_to_int8", 65536, [&](size_t i) { return static_cast<uint8_t>(float_to_int8(value(i))); });
  expect_table("bf16_to_bf16", 65536, [&](size_t i) { return quiet_code(Format::BF16, value(i)); });
  expect_table("bf16_to_fp16", 65536, [&](size_t i) { return quiet_code(Format::FP16, value(i)); });
}

TEST(Formats, EncodeEveryFp16AsMlDtypesDoes) {
  const auto value = [](size_t i) { return fp16_to_float(static_cast<uint16_t>(i)); };
  expect_table("fp16_to_e4m3", 65536, [&](size_t i) { return float_to_e4m3(value(i)); });
  expect_table("fp16_to_e5m2", 65536, [&](size_t i) { return float_to_e5m2(value(i)); });
  expect_table("fp16_to_int8", 65536, [&](size_t i) { return static_cast<uint8_t>(float_to_int8(value(i))); });
  expect_table("fp16_to_bf16", 65536, [&](size_t i) { return quiet_code(Format::BF16, value(i)); });
  expect_table("fp16_to_fp16", 65536, [&](size_t i) { return quiet_code(Format::FP16, value(i)); });
}

TEST(Formats, EncodeEveryNormalBf16AsE8m0AsMlDtypesDoes) {
  expect_table("normal_bf16_to_e8m0", 0x7F00 - 0x80,
               [](size_t i) { return float_to_e8m0(bf16_to_float(static_cast<uint16_t>(i + 0x80))); });
}

TEST(Formats, ChooseMxScalesAsCompressedTensorsDoes) {
  expect_table("bf16_to_mx_scale", 0x7F60,
               [](size_t i) { return mx_scale<kE4m3>(bf16_to_float(static_cast<uint16_t>(i))); });
}

/// Half way between each value of the format and the next, and the float32 values on both sides of it.
void expect_ties(const std::string& name, Format format, uint32_t codes) {
  const FormatInfo& info = format_info(format);
  std::vector<double> values;
  for (uint32_t code = 0; code < codes; ++code) {
    values.push_back(format == Format::INT8 ? code : info.decode(code));
  }
  values.push_back(2 * values[codes - 1] - values[codes - 2]);
  for (const bool negative : {false, true}) {
    for (const uint32_t odd : {0u, 1u}) {
      for (const int offset : {-1, 0, 1}) {
        const std::string table = name + (negative ? "_minus_" : "_") +
                                  (offset < 0   ? "below"
                                   : offset > 0 ? "above"
                                                : "tie") +
                                  (odd == 1 ? "_odd" : "_even");
        expect_table(table, (codes + 1 - odd) / 2, [&](size_t i) {
          const size_t code = 2 * i + odd;
          const auto middle = static_cast<float>((values[code] + values[code + 1]) / 2);
          const auto x = std::bit_cast<float>(std::bit_cast<uint32_t>(middle) + static_cast<uint32_t>(offset));
          return info.encode(negative ? -x : x, Rounding::half_even, 0);
        });
      }
    }
  }
}

TEST(Formats, EncodeEveryTieAsMlDtypesDoes) {
  expect_ties("e4m3", Format::E4M3, 0x7F);
  expect_ties("e5m2", Format::E5M2, 0x7C);
  expect_ties("int8", Format::INT8, 129);
  expect_ties("bf16", Format::BF16, 0x7F80);
  expect_ties("fp16", Format::FP16, 0x7C00);
}

}  // namespace
}  // namespace octet
