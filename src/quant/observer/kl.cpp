// Entropy calibration (Migacz 2017, "8-bit inference with TensorRT"): the clipping at which the histogram of the codes
// loses least information against that of the numbers.
#include <cmath>

#include "quant/observer/observer.h"
#include "quant/rounding/code.h"
#include "quant/scale.h"

namespace octet {
namespace {

constexpr int kBins = 2048;
constexpr int kStep = 16;                // bins between two thresholds
constexpr double kAlmostNothing = 1e-4;  // numbers in an empty bin, so that the divergence is finite

// KL(P || Q) of magnitudes clipped after `used` bins: P has what was clipped in its last bin; Q is P as the codes
// have it, each code's share spread over its bins that are not empty.
double divergence(const std::vector<double>& bins, int used, float bin_width, float scale, const Code& code) {
  std::vector<double> p(bins.begin(), bins.begin() + used);
  for (size_t i = static_cast<size_t>(used); i < bins.size(); ++i) p.back() += bins[i];
  std::vector<double> mass(256);
  std::vector<int> filled(256);
  std::vector<uint8_t> code_of(static_cast<size_t>(used));
  double p_total = 0, q_total = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    code_of[i] = code.encode((static_cast<float>(i) + 0.5f) * bin_width / scale);
    p_total += p[i];
    if (bins[i] == 0) continue;
    mass[code_of[i]] += bins[i];
    ++filled[code_of[i]];
    q_total += bins[i];
  }
  if (q_total == 0) return std::numeric_limits<double>::infinity();
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] == 0) continue;
    const bool empty = bins[i] == 0;  // what was clipped fell into it
    const double q = (empty ? kAlmostNothing : mass[code_of[i]] / filled[code_of[i]]) / q_total;
    sum += p[i] / p_total * std::log(p[i] / p_total / q);
  }
  return sum;
}

// The best threshold for magnitudes in bins over [0, reach].
float best_threshold(const std::vector<double>& bins, float reach, const Quantization& q, DType dtype,
                     const RangeOptions& options) {
  const Code code(q.format, options.quantize.int8_range);
  const float width = reach / kBins;
  double least = std::numeric_limits<double>::infinity();
  float best = reach;
  for (int used = kBins / 16; used <= kBins; used += kStep) {
    const float threshold = static_cast<float>(used) * width;
    const double kl = divergence(bins, used, width, scale_of(threshold, q, dtype, options.quantize), code);
    if (!(kl < least)) continue;
    least = kl;
    best = threshold;
  }
  return best;
}

}  // namespace

float kl_of_set(const NumberSet& set, const Quantization& q, const RangeOptions& options) {
  if (!(set.amax > 0) || !std::isfinite(set.amax)) return set.amax;
  std::vector<double> bins(kBins);
  for (int64_t row = 0; row < set.rows; ++row) {
    for (int64_t i = 0; i < set.columns; ++i) {
      const int bin = static_cast<int>(std::abs(set.x[row * set.stride + i]) / set.amax * kBins);
      ++bins[static_cast<size_t>(std::min(bin, kBins - 1))];
    }
  }
  return best_threshold(bins, set.amax, q, set.dtype, options);
}

/// Of magnitudes; an asymmetric range keeps its shorter end.
SeenRange kl_of_stream(const InputStream& stream, const Quantization& q, const RangeOptions& options) {
  const SeenRange seen = stream.range();
  const float amax = std::max(-seen.min, seen.max);
  if (!(amax > 0)) return seen;
  std::vector<double> bins(kBins);
  for (int bin = 0; bin < InputStream::kBins; ++bin) {
    const int at = static_cast<int>(std::abs(stream.center(bin)) / amax * kBins);
    bins[static_cast<size_t>(std::min(at, kBins - 1))] +=
        static_cast<double>(stream.counts()[static_cast<size_t>(bin)]);
  }
  const float threshold = best_threshold(bins, amax, q, DType::F32, options);
  return {std::max(seen.min, -threshold), std::min(seen.max, threshold)};
}

}  // namespace octet
