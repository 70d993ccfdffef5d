#include "cli/eval_report.h"

namespace octet::cli {

std::string eval_report(const EvalReport& report) { return report.name; }

}  // namespace octet::cli
