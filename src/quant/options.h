#pragma once
#include <cstdint>
#include <string_view>

#include "numeric/int8.h"
#include "numeric/rounding.h"
#include "tensor/dtype.h"
#include "tensor/scheme.h"

namespace octet {

/// Whose arithmetic finds scales and codes (programs differ by one code here and there).
enum class Match : uint8_t { octet, compressed_tensors, torchao };

struct MatchRow {
  Match match;
  std::string_view name, help;
};
constexpr MatchRow kMatches[] = {
    {Match::octet, "octet", "scales in the weight's dtype, divided in float32"},
    {Match::compressed_tensors, "compressed-tensors",
     "scales and quotients in the weight's dtype, as llm-compressor writes them"},
    {Match::torchao, "torchao", "scales in float32; INT8 multiplies by the reciprocal, MX scales are rounded down"},
};

/// Throws UsageError listing the names.
Match match_named(std::string_view name);
/// half_even, half_away, toward_zero or stochastic. Throws UsageError listing the names.
Rounding rounding_named(std::string_view name);

/// How a matrix is quantized, apart from its scheme.
struct QuantizeOptions {
  Match match = Match::octet;
  Rounding rounding = Rounding::half_even;
  Int8Range int8_range = Int8Range::full;
  uint64_t seed = 0;             // of stochastic rounding
  uint32_t tensor = 0;           // the number of this matrix in the model: its own random numbers
  const float* table = nullptr;  // [256] of this matrix's CODEBOOK
};

/// The dtype in which the scales of a weight of dtype `weight` are stored: U8 for powers of two, F32 for torchao, else
/// the weight's (F16 for what is none of F32, BF16 and F16, as compressed-tensors has it).
DType scale_dtype(const Quantization& q, DType weight, Match match);

/// F32, BF16 or FP16: the numbers that can be quantized. Throws Error for another dtype.
Format float_format(DType dtype);

}  // namespace octet
