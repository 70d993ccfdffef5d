#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "compress/contract.h"
#include "compress/options.h"
#include "compress/plan.h"

namespace octet::cli {

/// What the command line of `compress` says.
struct CompressArguments {
  std::string model, scheme, recipe, output, calibration, algorithm, observer, match = "octet", rounding = "half_even",
                                                                               kv_cache = "auto";
  std::vector<std::string> include;
  std::string max_ppl_increase, max_kl, max_size, max_latency, validation, report, ram, target;
  bool narrow_range = false, strict = false, force = false, dry_run = false;
  uint64_t seed = 0;
  int64_t context = 512, calibration_tokens = 65536;
};

/// The scheme that --target runs fastest filled in, or, where one is asked for, whether the target can load it.
CompressArguments with_target(CompressArguments arguments);
/// Throws UsageError where the target cannot load what a scheme makes of this model's widths.
void check_target(const CompressArguments& arguments, const Plan& plan);
/// A word of a command line as a shell takes it: 'two words'.
std::string quoted(const std::string& text);
/// What makes the same bytes again, whatever the threads and the memory and wherever it goes.
/// Not `all`: without bounds, --validation and --report.
std::string command_of(const CompressArguments& arguments, bool all = true);
CompressOptions compress_options(const CompressArguments& arguments);
Contract contract_of(const CompressArguments& arguments);

/// What is calibrated on (of it, no more than the tokens asked for can have), and, where there is a contract or a
/// report, what that is measured on: --validation, or the last tenth of the calibration text, whose rest is calibrated
/// on then.
struct Texts {
  std::string calibration, validation;
};
Texts texts_of(const CompressArguments& arguments);

}  // namespace octet::cli
