#pragma once
#include "cli/compress_arguments.h"
#include "cli/verbs.h"

namespace octet::cli {

/// Searches what fulfils the contract of the command line. Returns the exit status: 0, or 3 where nothing does.
int compress_by_contract(const CompressArguments& given, const Common& common);

}  // namespace octet::cli
