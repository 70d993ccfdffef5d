#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace octet {

/// What the elements of a stored tensor are, named as safetensors names them.
enum class DType : uint8_t {
  BOOL,
  U8,
  I8,
  F8_E4M3,
  F8_E5M2,
  F8_E8M0,
  U16,
  I16,
  F16,
  BF16,
  U32,
  I32,
  F32,
  U64,
  I64,
  F64
};

struct DTypeRow {
  DType dtype;
  std::string_view name;
  int bytes;
};
constexpr DTypeRow kDTypes[] = {
    {DType::BOOL, "BOOL", 1},       {DType::U8, "U8", 1},           {DType::I8, "I8", 1},
    {DType::F8_E4M3, "F8_E4M3", 1}, {DType::F8_E5M2, "F8_E5M2", 1}, {DType::F8_E8M0, "F8_E8M0", 1},
    {DType::U16, "U16", 2},         {DType::I16, "I16", 2},         {DType::F16, "F16", 2},
    {DType::BF16, "BF16", 2},       {DType::U32, "U32", 4},         {DType::I32, "I32", 4},
    {DType::F32, "F32", 4},         {DType::U64, "U64", 8},         {DType::I64, "I64", 8},
    {DType::F64, "F64", 8},
};

constexpr int bytes_of(DType dtype) {
  return kDTypes[static_cast<int>(dtype)].bytes;
}
constexpr std::string_view name_of(DType dtype) {
  return kDTypes[static_cast<int>(dtype)].name;
}

constexpr std::optional<DType> dtype_named(std::string_view name) {
  for (const auto& row : kDTypes) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace octet
