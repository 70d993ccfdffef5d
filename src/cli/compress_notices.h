#pragma once
#include "compress/plan.h"
#include "compress/walk.h"

namespace octet::cli {

/// What the plan warns of.
void warn(const Plan& plan, const CompressOptions& options);

/// Which layers of an earlier run were taken up, and which were damaged and made again.
void tell_of_earlier_run(const WalkResult& walked, int64_t layers);

}  // namespace octet::cli
