#include "base/error.h"
#include "quant/error/error.h"
#include "quant/observer/observer.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int kFirst = 258, kSteps = 256;  // the grid begins at amax · 258/256
constexpr int kPatience = 24;              // steps without a gain that end it
constexpr int kFarthest = 128;             // amax / 2: beyond it a floating format repeats itself

float error_of(const ErrorSum& sum, Format format) {
  switch (format) {
    case Format::INT8:
      return int8_error(sum);
    case Format::E4M3:
      return e4m3_error(sum);
    case Format::E5M2:
      return e5m2_error(sum);
    default:
      fail("there are no codes of {}", format_info(format).name);
  }
}

ErrorSum sum_of(const NumberSet& set, const float* weight, const Quantization& q, const RangeOptions& options) {
  ErrorSum sum{set.x, weight, set.rows, set.columns, set.stride, 0, 0, 0};
  sum.highest = format_info(q.format).max_finite;
  sum.lowest = q.format == Format::INT8 ? static_cast<float>(int8_lowest(options.quantize.int8_range)) : -sum.highest;
  return sum;
}

// Codes whose steps grow with the number, or follow the numbers, keep the whole range.
bool keeps_range(Format format) {
  return format == Format::LOG8 || format == Format::CODEBOOK;
}

// Walks from slightly above the largest magnitude downwards, over every scale that can be stored.
float best_range(const NumberSet& set, const float* weight, const Quantization& q, const RangeOptions& options) {
  if (!(set.amax > 0) || !std::isfinite(set.amax) || keeps_range(q.format)) return set.amax;
  ErrorSum sum = sum_of(set, weight, q, options);
  float best = set.amax;
  sum.scale = scale_of(best, q, set.dtype, options.quantize);
  float least = error_of(sum, q.format), last = 0;
  int idle = 0;
  for (int step = kFirst; step >= kFarthest && idle < kPatience; --step) {
    const float range = set.amax * static_cast<float>(step) / kSteps;
    sum.scale = scale_of(range, q, set.dtype, options.quantize);
    if (sum.scale == last) continue;
    last = sum.scale;
    const float error = error_of(sum, q.format);
    ++idle;
    if (!(error < least)) continue;
    least = error;
    best = range;
    idle = 0;
  }
  return best;
}

}  // namespace

float mse_of_set(const NumberSet& set, const Quantization& q, const RangeOptions& options) {
  return best_range(set, nullptr, q, options);
}

float importance_mse_of_set(const NumberSet& set, const Quantization& q, const RangeOptions& options) {
  return best_range(set, set.importance, q, options);
}

/// The middles of the histogram's bins, counted as often as they are filled. Both ends move by one share.
SeenRange mse_of_stream(const InputStream& stream, const Quantization& q, const RangeOptions& options) {
  const SeenRange seen = stream.range();
  const SeenRange whole{std::min(seen.min, 0.0f), std::max(seen.max, 0.0f)};
  std::vector<float> middles, counts;
  for (int bin = 0; bin < InputStream::kBins; ++bin) {
    if (stream.counts()[static_cast<size_t>(bin)] == 0) continue;
    middles.push_back(stream.center(bin));
    counts.push_back(static_cast<float>(stream.counts()[static_cast<size_t>(bin)]));
  }
  const auto n = static_cast<int64_t>(middles.size());
  SeenRange best = whole;
  float least = std::numeric_limits<float>::infinity();
  for (int step = kSteps; step >= kSteps / 8; --step) {
    const float share = static_cast<float>(step) / kSteps;
    const SeenRange range{whole.min * share, whole.max * share};
    const StaticScale scale = static_scale(range.min, range.max, q, DType::F32);
    NumberSet set{middles.data(), 1, n, n, counts.data(), DType::F32, 0};
    ErrorSum sum = sum_of(set, counts.data(), q, options);
    sum.scale = scale.scale;
    sum.lowest -= static_cast<float>(scale.zero_point);
    sum.highest -= static_cast<float>(scale.zero_point);
    const float error = error_of(sum, q.format);
    if (!(error < least)) continue;
    least = error;
    best = range;
  }
  return best;
}

}  // namespace octet
