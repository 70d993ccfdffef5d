#pragma once
#include <optional>
#include <string_view>

#include "numeric/bf16.h"
#include "numeric/e4m3.h"
#include "numeric/e5m2.h"
#include "numeric/e8m0.h"
#include "numeric/fp16.h"
#include "numeric/int8.h"
#include "numeric/log8.h"

namespace octet {

/// How one number is written. Order as in kFormats.
/// CODEBOOK: 256 numbers of the matrix's own, in a table beside its codes; what stands here of them is the even spread.
enum class Format : uint8_t { E4M3, E5M2, INT8, BF16, FP16, F32, E8M0, LOG8, CODEBOOK };

/// A format as data. decode and encode are for code that is not in a hurry; codes use the low `bits` bits.
struct FormatInfo {
  Format format;
  std::string_view name;
  int bits;
  bool floating;       ///< a sign, an exponent and a mantissa
  float max_finite;    ///< the largest value
  float min_normal;    ///< the smallest positive value of full precision
  float min_positive;  ///< the smallest positive value
  float (*decode)(uint32_t code);
  uint32_t (*encode)(float x, Rounding rounding, uint32_t random);
};

// clang-format off
inline constexpr FormatInfo kFormats[] = {
    // name                 bits float  largest    smallest normal, smallest
    {Format::E4M3, "E4M3",   8, true,  kE4m3Max,  0x1p-6f,   0x1p-9f,
     [](uint32_t code) { return e4m3_to_float(static_cast<uint8_t>(code)); },
     [](float x, Rounding r, uint32_t random) -> uint32_t { return float_to_e4m3(x, r, random); }},
    {Format::E5M2, "E5M2",   8, true,  kE5m2Max,  0x1p-14f,  0x1p-16f,
     [](uint32_t code) { return e5m2_to_float(static_cast<uint8_t>(code)); },
     [](float x, Rounding r, uint32_t random) -> uint32_t { return float_to_e5m2(x, r, random); }},
    {Format::INT8, "INT8",   8, false, kInt8Max,  1.0f,      1.0f,
     [](uint32_t code) { return int8_to_float(static_cast<int8_t>(code)); },
     [](float x, Rounding r, uint32_t random) -> uint32_t { return static_cast<uint8_t>(float_to_int8(x, r, random)); }},
    {Format::BF16, "BF16",  16, true,  kBf16Max,  0x1p-126f, 0x1p-133f,
     [](uint32_t code) { return bf16_to_float(static_cast<uint16_t>(code)); },
     [](float x, Rounding r, uint32_t random) -> uint32_t { return float_to_bf16(x, r, random); }},
    {Format::FP16, "FP16",  16, true,  kFp16Max,  0x1p-14f,  0x1p-24f,
     [](uint32_t code) { return fp16_to_float(static_cast<uint16_t>(code)); },
     [](float x, Rounding r, uint32_t random) -> uint32_t { return float_to_fp16(x, r, random); }},
    {Format::F32,  "F32",   32, true,  0x1.FFFFFEp127f, 0x1p-126f, 0x1p-149f,
     [](uint32_t code) { return std::bit_cast<float>(code); },
     [](float x, Rounding, uint32_t) { return std::bit_cast<uint32_t>(x); }},
    {Format::E8M0, "E8M0",   8, false, kE8m0Max,  0x1p-127f, 0x1p-127f,
     [](uint32_t code) { return e8m0_to_float(static_cast<uint8_t>(code)); },
     [](float x, Rounding r, uint32_t random) -> uint32_t { return float_to_e8m0(x, r, random); }},
    {Format::LOG8, "LOG8",   8, false, kLog8Max,  log8_to_float(1), log8_to_float(1),
     [](uint32_t code) { return log8_to_float(static_cast<uint8_t>(code)); },
     [](float x, Rounding, uint32_t) -> uint32_t { return float_to_log8(x); }},
    {Format::CODEBOOK, "CODEBOOK", 8, false, 1.0f, 1.0f / 255, 1.0f / 255,
     [](uint32_t code) { return static_cast<float>(2 * static_cast<int>(code) - 255) / 255; },
     [](float x, Rounding r, uint32_t random) -> uint32_t {
       return static_cast<uint8_t>(float_to_int8((x * 255 - 1) / 2, r, random) + 128);
     }},
};
// clang-format on

constexpr const FormatInfo& format_info(Format format) {
  return kFormats[static_cast<size_t>(format)];
}

/// The format of that name (as in kFormats, exactly), or none.
constexpr std::optional<Format> find_format(std::string_view name) {
  for (const FormatInfo& info : kFormats) {
    if (info.name == name) return info.format;
  }
  return std::nullopt;
}

}  // namespace octet
