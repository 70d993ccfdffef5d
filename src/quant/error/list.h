#pragma once
#include "quant/error/error.h"

namespace octet {

float int8_error__avx512(const ErrorSum& sum);
float int8_error__avx2(const ErrorSum& sum);
float int8_error__reference(const ErrorSum& sum);
float e4m3_error__avx512(const ErrorSum& sum);
float e4m3_error__avx2(const ErrorSum& sum);
float e4m3_error__reference(const ErrorSum& sum);
float e5m2_error__avx512(const ErrorSum& sum);
float e5m2_error__avx2(const ErrorSum& sum);
float e5m2_error__reference(const ErrorSum& sum);

}  // namespace octet
