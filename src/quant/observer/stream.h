#pragma once
#include <cstdint>
#include <vector>

#include "base/threads.h"

namespace octet {

/// The smallest and the largest number seen.
struct SeenRange {
  float min = 0, max = 0;
};

/// What passes through an input, batch after batch: its ends, their moving averages and a histogram. The counts are
/// integers: they do not depend on threads.
class InputStream {
 public:
  static constexpr int kBins = 4096;  // over [-reach, reach), reach a power of two that doubles when it is exceeded

  /// Returns false if a number is not finite; nothing is added then.
  bool add(const float* x, int64_t n, Threads& threads);

  bool empty() const { return batches_ == 0; }
  SeenRange range() const { return range_; }
  /// x ← 0.99·x + 0.01·new for each batch; the first as it is.
  SeenRange average() const { return average_; }
  const std::vector<uint64_t>& counts() const { return counts_; }
  float reach() const { return reach_; }
  /// The middle of a bin.
  float center(int bin) const { return (static_cast<float>(bin) + 0.5f) * (2 * reach_ / kBins) - reach_; }

 private:
  void widen_to(float magnitude);
  int64_t batches_ = 0;
  SeenRange range_, average_;
  float reach_ = 0;
  std::vector<uint64_t> counts_;
};

}  // namespace octet
