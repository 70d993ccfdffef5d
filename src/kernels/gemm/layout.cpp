#include "kernels/gemm/layout.h"

#include <algorithm>

namespace octet::kernels {

Arithmetic held_as(const InputFormat& input, Arithmetic wide) {
  if (input.format == Format::INT8) return Arithmetic::int8;
  return input.format == Format::F32 ? Arithmetic::f32 : wide;
}

Arithmetic arithmetic_of(const InputFormat& input, Format weight, Arithmetic wide) {
  const Arithmetic held = held_as(input, wide);
  if (held == Arithmetic::int8) return weight == Format::INT8 ? Arithmetic::int8 : Arithmetic::f32;
  const bool beyond_bf16 = weight == Format::F32 || weight == Format::FP16;
  return held == Arithmetic::bf16 && !beyond_bf16 ? Arithmetic::bf16 : Arithmetic::f32;
}

int64_t scale_group(const InputFormat& input) {
  const bool scaled = input.format != Format::F32 && input.format != Format::BF16;
  return scaled && !(input.scale > 0) ? input.group : 0;
}

std::vector<Segment> segments_of(int64_t k, int64_t weight_group, int64_t input_group, Arithmetic arithmetic) {
  const int64_t gw = weight_group > 0 ? weight_group : k;
  const int64_t gx = input_group > 0 ? input_group : k;
  const int64_t limit = arithmetic == Arithmetic::int8 ? kMaxInt8Segment : k;
  const int64_t per_step = elements_of_step(arithmetic);
  const int64_t unit = columns_of_unit(arithmetic);
  std::vector<Segment> segments;
  for (int64_t begin = 0, step = 0; begin < k;) {
    const int64_t end = std::min({k, (begin / gw + 1) * gw, (begin / gx + 1) * gx, begin + limit});
    const int64_t steps = (end - begin + unit - 1) / unit * unit / per_step;
    segments.push_back({begin, end - begin, step, steps, begin / gw, begin / gx});
    step += steps;
    begin = end;
  }
  return segments;
}

}  // namespace octet::kernels
