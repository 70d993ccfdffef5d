#include <algorithm>
#include <cmath>

#include "quant/observer/observer.h"

namespace octet {
namespace {

// How many of n numbers may stay outside.
int64_t left_out(double percentile, int64_t n) {
  return static_cast<int64_t>(std::floor((1 - percentile / 100) * static_cast<double>(n)));
}

}  // namespace

float percentile_of_set(const NumberSet& set, const Quantization&, const RangeOptions& options) {
  std::vector<float> magnitudes;
  magnitudes.reserve(static_cast<size_t>(set.rows * set.columns));
  for (int64_t row = 0; row < set.rows; ++row) {
    for (int64_t i = 0; i < set.columns; ++i) magnitudes.push_back(std::abs(set.x[row * set.stride + i]));
  }
  const auto n = static_cast<int64_t>(magnitudes.size());
  const auto kept = magnitudes.begin() + (n - 1 - std::min(n - 1, left_out(options.percentile, n)));
  std::nth_element(magnitudes.begin(), kept, magnitudes.end());
  return *kept;
}

/// Half of what may stay outside on either side; the ends are exact to a bin.
SeenRange percentile_of_stream(const InputStream& stream, const Quantization&, const RangeOptions& options) {
  const std::vector<uint64_t>& counts = stream.counts();
  uint64_t total = 0;
  for (const uint64_t count : counts) total += count;
  const auto allowed = static_cast<uint64_t>(left_out(options.percentile, static_cast<int64_t>(total))) / 2;
  const float half_bin = stream.reach() / InputStream::kBins;
  SeenRange range = stream.range();
  uint64_t below = 0, above = 0;
  for (int bin = 0; bin < InputStream::kBins; ++bin) {
    below += counts[static_cast<size_t>(bin)];
    if (below <= allowed) continue;
    range.min = std::max(range.min, stream.center(bin) - half_bin);
    break;
  }
  for (int bin = InputStream::kBins - 1; bin >= 0; --bin) {
    above += counts[static_cast<size_t>(bin)];
    if (above <= allowed) continue;
    range.max = std::min(range.max, stream.center(bin) + half_bin);
    break;
  }
  return range;
}

}  // namespace octet
