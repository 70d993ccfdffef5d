#pragma once
#include <functional>

#include "base/threads.h"
#include "compress/calibration.h"
#include "compress/plan.h"
#include "compress/walk.h"

namespace octet {

struct CompressResult {
  int64_t bytes_before = 0, bytes_after = 0;  // of all tensors
  int64_t layers = 0;                         // linear layers that were made
  double seconds = 0;                         // until the model is whole
  double finish_seconds = 0;                  // of what was done with it before it took its name
  double sync_seconds = 0;                    // of waiting for the disk
  std::vector<std::string> notices;           // what was left out of the output
};

/// Writes the compressed model as plan.h says into options.output, which appears whole or not at all. `checkpoint` is
/// that of options.model. `watch` gives what calibration finds; it is called once the output is known to be writable,
/// with a place where its work may stand until a later run with the same options goes on with it. `advance` is told the
/// bytes of the input as they are done. `finish` is given the directory with the whole model before it takes its name:
/// a run that is killed meanwhile has not finished.
CompressResult compress(
    const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
    const std::function<Calibration(const WorkPlace&)>& watch, Threads& threads,
    const std::function<void(int64_t bytes)>& advance,
    const std::function<void(const std::filesystem::path& made, const CompressResult&)>& finish = {});

}  // namespace octet
