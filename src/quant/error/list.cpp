// Fastest first. A new instruction set is a file beside this one and a row here.
#include "quant/error/list.h"

#include "kernels/kernel.h"

namespace octet {
namespace {

using ErrorFunction = float(const ErrorSum&);
using kernels::Kernel;

constexpr Kernel<ErrorFunction> kInt8[] = {
    {"avx512", kAvx512, int8_error__avx512},
    {"avx2", kAvx2, int8_error__avx2},
    {"reference", 0, int8_error__reference},
};
constexpr Kernel<ErrorFunction> kE4m3[] = {
    {"avx512", kAvx512, e4m3_error__avx512},
    {"avx2", kAvx2, e4m3_error__avx2},
    {"reference", 0, e4m3_error__reference},
};
constexpr Kernel<ErrorFunction> kE5m2[] = {
    {"avx512", kAvx512, e5m2_error__avx512},
    {"avx2", kAvx2, e5m2_error__avx2},
    {"reference", 0, e5m2_error__reference},
};

}  // namespace

float int8_error(const ErrorSum& sum) {
  static ErrorFunction* const chosen = choose(std::span<const Kernel<ErrorFunction>>(kInt8)).run;
  return chosen(sum);
}
float e4m3_error(const ErrorSum& sum) {
  static ErrorFunction* const chosen = choose(std::span<const Kernel<ErrorFunction>>(kE4m3)).run;
  return chosen(sum);
}
float e5m2_error(const ErrorSum& sum) {
  static ErrorFunction* const chosen = choose(std::span<const Kernel<ErrorFunction>>(kE5m2)).run;
  return chosen(sum);
}

}  // namespace octet
