#pragma once
#include <functional>

#include "base/threads.h"
#include "compress/calibration.h"
#include "compress/plan.h"

namespace octet {

/// Makes every tensor of the plan and writes the safetensors files, and their index if there are several, into
/// `directory`. Works in pieces of a few rows on all threads; the bytes do not depend on how many. `advance` is told
/// the bytes of the input as they are done. Throws Error naming the tensor with a number that is not finite.
void write_weights(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                   const Calibration& calibration, const std::filesystem::path& directory, Threads& threads,
                   const std::function<void(int64_t bytes)>& advance);

/// "model.safetensors", or "model-00002-of-00005.safetensors".
std::string shard_name(const Plan& plan, size_t shard);

}  // namespace octet
