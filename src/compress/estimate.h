#pragma once
#include <string>

#include "base/threads.h"
#include "compress/plan.h"

namespace octet {

/// How long compressing will take here: a few rows of the plan's largest module are encoded and timed, and the reading,
/// hashing and writing of the rest is added at usual speeds.
double estimate_seconds(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                        Threads& threads);

/// "I8 per channel, int-quantized; inputs I8 per token"
std::string description_of(const ConfigGroup& group);

}  // namespace octet
