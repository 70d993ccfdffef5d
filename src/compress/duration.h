#pragma once
#include "base/threads.h"
#include "compress/plan.h"

namespace octet {

/// Seconds that compressing with `rows` tokens of calibration (0: with none) will take here. Of the walk, a product of
/// each kind is timed (a third of a second), and all that it multiplies is added up; of the writing, some rows of the
/// largest module are encoded, and reading and hashing are added at usual speeds.
double predict_seconds(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options, int64_t rows,
                       Threads& threads);

/// Seconds that a report takes to measure `tokens` tokens of text and the speed of both models.
double predict_report_seconds(const Plan& plan, const CompressOptions& options, int64_t tokens, Threads& threads);

/// Of memory, while a product's time is taken.
constexpr int64_t kBytesOfTiming = 4 * (3 * 768 + 2 * 256) * 768;

}  // namespace octet
