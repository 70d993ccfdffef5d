#include "train/moment.h"

#include "base/error.h"
#include "kernels/convert/convert.h"
#include "numeric/e4m3.h"
#include "train/dynamic_map.h"

namespace octet::train {
namespace {

constexpr float kSmallestAmax = 1e-12f;

/// What E4M3's codes stand for, from 0 to the largest number.
std::span<const float> e4m3_numbers() {
  static const auto kNumbers = [] {
    std::array<uint8_t, 0x7F> codes{};
    std::array<float, 0x7F> numbers{};
    for (size_t code = 0; code < codes.size(); ++code) codes[code] = static_cast<uint8_t>(code);
    kernels::to_float(Format::E4M3, codes.data(), static_cast<int64_t>(codes.size()), numbers.data());
    return numbers;
  }();
  return kNumbers;
}

/// Codes of x >= 0 go from the nearest number of the ascending `map` to one of the two around x, so that x is the mean.
void round_stochastically(std::span<const float> map, const RandomStream& random, int64_t at, int64_t n, const float* x,
                          uint8_t* codes) {
  constexpr int64_t kPerBlock = 8;
  const int last = static_cast<int>(map.size()) - 2;
  for (int64_t begin = 0; begin < n; begin += kPerBlock) {
    const auto words = random.block(static_cast<uint64_t>((at + begin) / kPerBlock));
    for (int64_t i = begin; i < std::min(n, begin + kPerBlock); ++i) {
      if (!(x[i] <= map.back())) continue;  // not a number, or beyond the last one
      const auto word = static_cast<size_t>(i - begin);
      const float share = (static_cast<float>(words[word / 2] >> (16 * (word % 2)) & 0xFFFF) + 0.5f) * 0x1p-16f;
      const int nearest = codes[i];
      const int below = std::min(last, map[static_cast<size_t>(nearest)] > x[i] ? nearest - 1 : nearest);
      const float low = map[static_cast<size_t>(below)], high = map[static_cast<size_t>(below) + 1];
      codes[i] = static_cast<uint8_t>(below + (share * (high - low) < x[i] - low ? 1 : 0));
    }
  }
}

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

void store_block(Moment& moment, int64_t at, int64_t size, float* values, const MomentRounding& rounding) {
  uint8_t* codes = moment.codes.data() + at;
  float& scale = moment.scales[static_cast<size_t>(at / kStateBlock)];
  const float amax = kernels::amax(values, size);
  scale = amax < kSmallestAmax ? kSmallestAmax : amax;
  const bool second = !moment.is_signed, keep = second && rounding.keep_positive;
  const bool fp8 = moment.format == StateFormat::fp8;
  if (fp8) {
    scale /= kE4m3Max;
    kernels::quantize_to_e4m3(values, size, scale, codes);
  }
  for (int64_t i = 0; i < size; ++i) values[i] /= scale;
  if (!fp8) encode_dynamic(moment.is_signed, keep, values, size, codes);
  if (second && rounding.random)
    round_stochastically(fp8 ? e4m3_numbers() : dynamic_map(false), *rounding.random, at, size, values, codes);
  for (int64_t i = 0; keep && i < size; ++i) codes[i] |= static_cast<uint8_t>(codes[i] == 0 && values[i] > 0);
}

}  // namespace octet::train
