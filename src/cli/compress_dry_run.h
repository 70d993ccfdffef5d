#pragma once
#include "base/json_fwd.h"
#include "cli/compress_arguments.h"
#include "cli/verbs.h"
#include "compress/plan.h"

namespace octet::cli {

/// Whether the calibration text is read, or of no use.
bool uses_calibration(const CompressOptions& options);

/// "1.2 GB to 610 MB of weights (50.9 %)"
std::string size_line(const Plan& plan);
Json json_of(const Plan& plan, const CompressOptions& options);

/// Prints what would be done, its size, its time and its memory. Returns the exit status.
int dry_run(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
            const CompressOptions& options, const Common& common);

}  // namespace octet::cli
