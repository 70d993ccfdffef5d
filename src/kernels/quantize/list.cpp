// Fastest first. A new instruction set is a file beside this one and a row here.
#include "kernels/quantize/list.h"

namespace octet::kernels {
namespace {

constexpr Kernel<QuantizeFunction> kQuantize[] = {
#if defined(__x86_64__)
    {"avx512", kAvx512, quantize_row__avx512},
    {"avx2", kAvx2, quantize_row__avx2},
#elif defined(__aarch64__)
    {"neon", kNeon, quantize_row__neon},
#endif
    {"reference", 0, quantize_row__reference},
};
constexpr Kernel<SumFunction> kSum[] = {
#if defined(__x86_64__)
    {"avx512", kAvx512, sum_codes__avx512},
    {"avx2", kAvx2, sum_codes__avx2},
#elif defined(__aarch64__)
    {"neon", kNeon, sum_codes__neon},
#endif
    {"reference", 0, sum_codes__reference},
};

}  // namespace

std::span<const Kernel<QuantizeFunction>> quantize_kernels() {
  return kQuantize;
}
std::span<const Kernel<SumFunction>> sum_kernels() {
  return kSum;
}

std::vector<FamilyChoice> explain_quantize() {
  return {explain("quantize activations", quantize_kernels())};
}

void quantize_row(const QuantizeRow& row) {
  static QuantizeFunction* const chosen = choose(quantize_kernels()).run;
  chosen(row);
}

int32_t sum_codes(const int8_t* codes, int64_t k) {
  static SumFunction* const chosen = choose(sum_kernels()).run;
  return chosen(codes, k);
}

}  // namespace octet::kernels
