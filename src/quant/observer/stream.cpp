#include "quant/observer/stream.h"

#include <cmath>
#include <mutex>

#include "kernels/convert/convert.h"

namespace octet {
namespace {

constexpr int64_t kGrain = int64_t{1} << 16;

}  // namespace

bool InputStream::add(const float* x, int64_t n, Threads& threads) {
  if (n == 0) return true;
  const kernels::MinMax ends = kernels::min_max(x, n);
  if (!ends.finite) return false;
  range_ = batches_ ? SeenRange{std::min(range_.min, ends.min), std::max(range_.max, ends.max)}
                    : SeenRange{ends.min, ends.max};
  average_ = batches_ ? SeenRange{0.99f * average_.min + 0.01f * ends.min, 0.99f * average_.max + 0.01f * ends.max}
                      : SeenRange{ends.min, ends.max};
  ++batches_;
  widen_to(std::max(-ends.min, ends.max));
  const float bins_of_one = kBins / (2 * reach_);
  std::mutex mutex;
  threads.for_range(n, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<uint32_t> counts(kBins);
    for (int64_t i = begin; i < end; ++i) {
      const int bin = static_cast<int>((x[i] + reach_) * bins_of_one);
      ++counts[static_cast<size_t>(std::clamp(bin, 0, kBins - 1))];
    }
    std::lock_guard lock(mutex);
    for (size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
  });
  return true;
}

void InputStream::widen_to(float magnitude) {
  if (reach_ == 0) {
    counts_.assign(kBins, 0);
    reach_ = std::exp2(std::ceil(std::log2(std::max(magnitude, 0x1p-60f))));
  }
  while (magnitude > reach_) {
    std::vector<uint64_t> merged(kBins);
    for (int bin = 0; bin < kBins; ++bin)
      merged[static_cast<size_t>(kBins / 4 + bin / 2)] += counts_[static_cast<size_t>(bin)];
    counts_ = std::move(merged);
    reach_ *= 2;
  }
}

}  // namespace octet
