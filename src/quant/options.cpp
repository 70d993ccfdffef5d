#include "quant/options.h"

#include "base/error.h"

namespace octet {
namespace {

struct RoundingRow {
  Rounding rounding;
  std::string_view name;
};
constexpr RoundingRow kRoundings[] = {
    {Rounding::half_even, "half_even"},
    {Rounding::half_away, "half_away"},
    {Rounding::toward_zero, "toward_zero"},
    {Rounding::stochastic, "stochastic"},
};

template <typename Rows>
const auto& row_named(const Rows& rows, std::string_view name, const char* what) {
  std::string names;
  for (const auto& row : rows) {
    if (row.name == name) return row;
    names += names.empty() ? "" : ", ";
    names += row.name;
  }
  throw UsageError(fmt::format("there is no {} {}; there are {}", what, name, names));
}

}  // namespace

Match match_named(std::string_view name) {
  return row_named(kMatches, name, "match").match;
}

Rounding rounding_named(std::string_view name) {
  return row_named(kRoundings, name, "rounding").rounding;
}

DType scale_dtype(const Quantization& q, DType weight, Match match) {
  if (q.scale_format == Format::E8M0) return DType::U8;
  if (match == Match::torchao) return DType::F32;
  return weight == DType::F32 || weight == DType::BF16 ? weight : DType::F16;
}

Format float_format(DType dtype) {
  if (dtype == DType::F32) return Format::F32;
  if (dtype == DType::BF16) return Format::BF16;
  if (dtype == DType::F16) return Format::FP16;
  fail("numbers of dtype {} cannot be quantized", name_of(dtype));
}

}  // namespace octet
