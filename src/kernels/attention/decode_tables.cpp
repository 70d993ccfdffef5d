#include "kernels/attention/decode_tables.h"

#include "numeric/formats.h"

namespace octet::kernels {
namespace {

template <typename Decode>
constexpr DecodeTable table_of(Decode decode) {
  DecodeTable table{};
  for (int code = 0; code < 128; ++code) {
    const uint16_t bf16 = float_to_bf16(decode(static_cast<uint8_t>(code)));
    table.low[code] = static_cast<uint8_t>(bf16);
    table.high[code] = static_cast<uint8_t>(bf16 >> 8);
  }
  return table;
}

}  // namespace

constexpr DecodeTable kE4m3Table = table_of([](uint8_t code) { return e4m3_to_float(code); });
constexpr DecodeTable kInt8Table = table_of([](uint8_t code) { return static_cast<float>(code); });
const DecodeTable kE4m3AsBf16 = kE4m3Table;
const DecodeTable kInt8AsBf16 = kInt8Table;

}  // namespace octet::kernels
