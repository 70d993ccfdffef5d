#include "train/moment.h"

#include "base/error.h"
#include "kernels/convert/convert.h"
#include "numeric/e4m3.h"
#include "train/dynamic_map.h"

namespace octet::train {
namespace {

constexpr float kSmallestAmax = 1e-12f;

size_t blocks_of(int64_t n) {
  return static_cast<size_t>((n + kStateBlock - 1) / kStateBlock);
}

}  // namespace

Moment make_moment(StateFormat format, bool is_signed, int64_t n) {
  Moment moment{.format = format, .is_signed = is_signed, .values = {}, .codes = {}, .scales = {}};
  const auto size = static_cast<size_t>(n);
  if (format == StateFormat::f32) {
    moment.values.assign(size, 0.0f);
    return moment;
  }
  moment.codes.assign(size, format == StateFormat::int8 ? code_of_zero(is_signed) : uint8_t{0});
  moment.scales.assign(blocks_of(n), 0.0f);
  return moment;
}

void check_moments(const OptimizerState& state, const OptimizerOptions& options, int64_t n) {
  const int needed = options.kind != OptimizerKind::sgd ? 2 : options.momentum != 0 ? 1 : 0;
  bool fits = state.count == needed;
  for (int i = 0; i < state.count; ++i) {
    const Moment& moment = state.moment[static_cast<size_t>(i)];
    const bool floats = moment.format == StateFormat::f32;
    fits &= moment.format == state.moment[0].format && moment.is_signed == (i == 0);
    fits &= moment.values.size() == (floats ? static_cast<size_t>(n) : 0);
    fits &= moment.codes.size() == (floats ? 0 : static_cast<size_t>(n));
    fits &= moment.scales.size() == (floats ? 0 : blocks_of(n));
  }
  if (!fits) fail("the optimizer's state does not belong to these {} weights and this optimizer", n);
}

void load_block(const Moment& moment, int64_t at, int64_t size, float* out) {
  const uint8_t* codes = moment.codes.data() + at;
  const float scale = moment.scales[static_cast<size_t>(at / kStateBlock)];
  if (moment.format == StateFormat::fp8) {
    kernels::to_float(Format::E4M3, codes, size, out);
  } else {
    const auto map = dynamic_map(moment.is_signed);
    for (int64_t i = 0; i < size; ++i) out[i] = map[codes[i]];
  }
  for (int64_t i = 0; i < size; ++i) out[i] *= scale;
}

void store_block(Moment& moment, int64_t at, int64_t size, float* values, bool keep_positive) {
  uint8_t* codes = moment.codes.data() + at;
  float& scale = moment.scales[static_cast<size_t>(at / kStateBlock)];
  const float amax = kernels::amax(values, size);
  scale = amax < kSmallestAmax ? kSmallestAmax : amax;
  const bool keep = keep_positive && !moment.is_signed;
  if (moment.format == StateFormat::fp8) {
    scale /= kE4m3Max;
    kernels::quantize_to_e4m3(values, size, scale, codes);
    for (int64_t i = 0; keep && i < size; ++i) codes[i] |= static_cast<uint8_t>(codes[i] == 0 && values[i] > 0);
    return;
  }
  for (int64_t i = 0; i < size; ++i) values[i] /= scale;
  encode_dynamic(moment.is_signed, keep, values, size, codes);
}

}  // namespace octet::train
