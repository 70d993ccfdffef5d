#pragma once
#include "compress/options.h"
#include "compress/plan.h"

namespace octet {

/// Anonymous memory, at its peak, of compressing by a walk over the layers with `rows` tokens of calibration.
struct MemoryPrediction {
  int64_t in_memory = 0;  // activations held in memory
  int64_t spilled = 0;    // activations in a file
};
MemoryPrediction predict_memory(const Plan& plan, const CompressOptions& options, int64_t rows, int threads);

/// How many bytes of activations may be held in memory so that the peak stays under `budget` bytes: all of them or
/// none. Throws UsageError naming the smallest budget that can be kept.
int64_t activations_within(const MemoryPrediction& prediction, int64_t budget);

/// Seconds that the walk will take here: a product of each kind is timed (a third of a second), and all that the walk
/// multiplies is added up.
double predict_seconds(const Plan& plan, const CompressOptions& options, int64_t rows, Threads& threads);

}  // namespace octet
