#include "quant/observer/observer.h"

#include "base/error.h"
#include "kernels/convert/convert.h"
#include "quant/scale.h"
#include "tensor/qtensor.h"

namespace octet {
namespace {

constexpr RangeObserver kObservers[] = {
    {"minmax", minmax_of_set, minmax_of_stream, "the largest magnitude: nothing is clipped"},
    {"moving_average", minmax_of_set, moving_average_of_stream,
     "an average over an input's batches, 99 parts old and 1 new; a weight is one batch"},
    {"percentile", percentile_of_set, percentile_of_stream, "leaves out the largest hundredth of a percent"},
    {"mse", mse_of_set, mse_of_stream, "the least squared error, searched over the scales that can be stored"},
    {"importance_mse", importance_mse_of_set, mse_of_stream,
     "as mse, each column's error weighted by the square of its input"},
    {"kl", kl_of_set, kl_of_stream,
     "the least loss of information between histograms (entropy calibration); clips outliers that language models "
     "need"},
};

}  // namespace

std::span<const RangeObserver> range_observers() {
  return kObservers;
}

const RangeObserver& observer_named(std::string_view name) {
  std::string names;
  for (const RangeObserver& observer : kObservers) {
    if (observer.name == name) return observer;
    names += (names.empty() ? "" : ", ") + std::string(observer.name);
  }
  throw UsageError(fmt::format("there is no observer {}; there are {}", name, names));
}

Tensor observe_ranges(const Tensor& w, const Quantization& q, const RangeObserver& observer,
                      const RangeOptions& options, Threads& threads) {
  const Format format = float_format(w.dtype());
  const int64_t n = w.size(0), k = w.size(1), width = bytes_of(w.dtype());
  const Extent extent = extent_of(q, n, k);
  Tensor ranges(scale_shape(q, n, k));
  const int64_t groups = ranges.size(1);
  threads.for_range(ranges.size(0), 1, [&](int64_t first, int64_t last) {
    std::vector<float> rows(static_cast<size_t>(std::min(extent.rows, n) * k));
    for (int64_t band = first; band < last; ++band) {
      const int64_t top = band * extent.rows, count = std::min(extent.rows, n - top);
      kernels::to_float(format, w.raw() + top * k * width, count * k, rows.data());
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t begin = g * extent.columns;
        NumberSet set{rows.data() + begin,
                      count,
                      std::min(extent.columns, k - begin),
                      k,
                      nullptr,
                      options.dtype.value_or(w.dtype()),
                      0};
        if (!options.importance.empty()) set.importance = options.importance.data() + begin;
        bool finite = true;
        for (int64_t row = 0; row < count; ++row) {
          const float amax = kernels::amax(set.x + row * k, set.columns);
          finite &= std::isfinite(amax);
          set.amax = std::max(set.amax, amax);
        }
        ranges.f32()[band * groups + g] = finite ? observer.of_set(set, q, options) : std::nanf("");
      }
    }
  });
  return ranges;
}

}  // namespace octet
