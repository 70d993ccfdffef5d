#include "kernels/quantize/quantize.h"
#include "kernels/quantize/rows.inc"

namespace octet::kernels {
void quantize_row__neon(const QuantizeRow& row) {
  quantize(row);
}
int32_t sum_codes__neon(const int8_t* codes, int64_t k) {
  return sum(codes, k);
}
}  // namespace octet::kernels
