#pragma once
#include <span>

#include "ops/weight.h"
#include "train/processes.h"

namespace octet::train {

/// What the linears saw in the step that ends, in all processes: largest magnitudes for delayed scaling and ends of
/// inputs are the largest of all, and what formats did not hold is counted together.
void share_seen(Processes& processes, std::span<const Weight> linears);

}  // namespace octet::train
