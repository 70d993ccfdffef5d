#pragma once
#include "compress/contract.h"
#include "compress/options.h"
#include "compress/plan.h"

namespace octet {

/// Memory at its peak, as a limit on data counts it (data_bytes()), of compressing with `rows` tokens of calibration
/// (0: with none): what is taken now, and what will be. Bounds, not guesses: --ram rests on them.
struct MemoryPrediction {
  int64_t in_memory = 0;  // activations held in memory
  int64_t spilled = 0;    // activations in a file
};
MemoryPrediction predict_memory(const Plan& plan, const CompressOptions& options, int64_t rows, int threads);

/// A validation text.
struct MeasuredText {
  int64_t bytes = 0, tokens = 0;
};

/// The same of measuring a contract's candidates on a text whose tokens are there; `schemes`: that a layer may get.
struct MeasuringPrediction {
  int64_t peak = 0;
  int64_t held = 0;  // of it, while a candidate is made
};
MeasuringPrediction predict_measuring(const Plan& plan, const CompressOptions& options, const MeasuredText& text,
                                      int threads, const Contract& contract, int64_t schemes);

/// Of the report, which loads the model before and after whole and measures both; `kept`: what a contract's candidates
/// hold meanwhile.
int64_t predict_report(const Plan& plan, const CompressOptions& options, const MeasuredText& text, int threads,
                       int64_t kept = 0);
/// What is kept of a contract's candidates, for each token of the text.
int64_t bytes_of_candidates(const Plan& plan, const MeasuredText& text);

/// How many bytes of activations may be held in memory so that the peak stays under `budget` bytes: all of them or
/// none. Throws UsageError naming the smallest budget that can be kept.
int64_t activations_within(const MemoryPrediction& prediction, int64_t budget);
[[noreturn]] void refuse_budget(int64_t budget, int64_t smallest);

}  // namespace octet
