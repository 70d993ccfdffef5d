#pragma once
#include "cli/compress_arguments.h"
#include "compress/plan.h"

namespace octet::cli {

/// Prints peak and time before the start: of compressing with `rows` tokens of calibration (0: with none), and of the
/// report. Returns how many bytes of activations may be held in memory. Throws UsageError naming the smallest budget
/// where --ram cannot be kept.
int64_t admit(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
              const CompressOptions& options, int64_t rows, Threads& threads);

/// The same of a contract, before anything is measured; `rows` of validation text. Returns the bytes of activations
/// that each candidate may hold while it is made.
int64_t admit_contract(const CompressArguments& given, const Checkpoint& checkpoint, const Plan& plan,
                       const CompressOptions& options, int64_t rows, Threads& threads);

}  // namespace octet::cli
