#pragma once
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/threads.h"
#include "compress/calibration.h"
#include "compress/plan.h"

namespace octet {

/// Runs a text through the model as the input checkpoint has it, a layer at a time, and keeps the range of every linear
/// module's input and of every layer's keys (after rope) and values. The text is cut as `eval` cuts it: runs of
/// context - 1 tokens behind the first token, at most options.calibration_tokens of them. Memory: one layer, and the
/// activations [tokens, D] between two, or, past what `admit` allows (else options.activation_bytes), a file of
/// them in `place`. A progress bar goes with it. Throws Error for a text without tokens and, naming the module, for
/// activations that are not finite.
CalibrationRanges calibrate(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                            std::string_view text, const std::filesystem::path& place, Threads& threads,
                            const std::function<int64_t(int64_t rows)>& admit = {});

}  // namespace octet
