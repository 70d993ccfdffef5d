#pragma once
#include <string>
#include <vector>

#include "cli/verb.h"

namespace octet::cli {

/// octet train --compare RUN… [--report FILE.html]: a table on standard output, the page where one is asked for.
int compare_runs(const std::vector<std::string>& runs, const std::string& page, const Common& common);

}  // namespace octet::cli
