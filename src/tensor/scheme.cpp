#include "tensor/scheme.h"

#include <fmt/ranges.h>

#include <cctype>
#include <vector>

#include "base/error.h"
#include "base/escape.h"

namespace octet {

std::string_view name_of(Storage storage) {
  switch (storage) {
    case Storage::dense:
      return "dense";
    case Storage::int_quantized:
      return "int-quantized";
    case Storage::float_quantized:
      return "float-quantized";
    case Storage::naive_quantized:
      return "naive-quantized";
    case Storage::pack_quantized:
      return "pack-quantized";
    case Storage::mxfp8_quantized:
      return "mxfp8-quantized";
    case Storage::codebook_quantized:
      return "codebook-quantized";
    case Storage::fp8_blocks:
      return "fp8";
  }
  return "";
}

const Scheme& scheme_named(std::string_view name) {
  std::string wanted(name);
  for (char& c : wanted) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (wanted == "INT8") wanted = "W8A8";
  std::vector<std::string_view> names;
  for (const Scheme& scheme : kSchemes) {
    if (scheme.name == wanted) return scheme;
    names.push_back(scheme.name);
  }
  throw UsageError(
      fmt::format("there is no scheme {}; the schemes are {}", printable(name, 60), fmt::join(names, ", ")));
}

}  // namespace octet
