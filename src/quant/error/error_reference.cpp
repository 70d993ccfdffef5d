#include "quant/error/list.h"

#include "quant/error/error.inc"

namespace octet {

float int8_error__reference(const ErrorSum& sum) {
  return error_sum(sum, NearestInteger());
}
float e4m3_error__reference(const ErrorSum& sum) {
  return error_sum(sum, NearestE4m3());
}
float e5m2_error__reference(const ErrorSum& sum) {
  return error_sum(sum, NearestE5m2());
}

}  // namespace octet
