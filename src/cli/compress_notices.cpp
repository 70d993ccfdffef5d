#include "cli/compress_notices.h"

#include "base/escape.h"
#include "base/progress.h"

namespace octet::cli {

void warn(const Plan& plan, const CompressOptions& options) {
  for (const std::string& warning : plan.warnings) print_notice("octet: warning: " + warning);
  if (options.scheme->octet_only) {
    print_notice(fmt::format("octet: {} is Octet's own (quant_method \"octet\"): other programs do not load it",
                             options.scheme->name));
  }
}

void tell_of_earlier_run(const WalkResult& walked, int64_t layers) {
  if (!walked.damaged.empty()) {
    print_notice(
        fmt::format("octet: warning: {}: was damaged after an earlier run wrote it; made again, with all "
                    "layers above",
                    printable(walked.damaged)));
  }
  if (walked.resumed > 0) {
    print_notice(
        fmt::format("octet: went on with {} of {} layers that an earlier run had finished", walked.resumed, layers));
  }
}

}  // namespace octet::cli
