#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "base/threads.h"
#include "compress/calibration.h"
#include "compress/layer_maker.h"
#include "compress/plan.h"

namespace octet {

/// Where unfinished work stands, and what it is the work of.
struct WorkPlace {
  std::filesystem::path directory;  // exists
  std::string identity;             // a hash of model, recipe and calibration
};

struct WalkResult {
  Calibration calibration;
  std::vector<SmoothingNote> smoothing;
  std::vector<ModuleNoise> noise;  // where options.watch_noise asks for it, and did when a resumed layer was made
  int64_t resumed = 0;             // layers that an earlier run had finished
  std::string damaged;             // a file of an earlier run that was made again, with all that rests on it
};

/// Makes the layers one after the other, each from what it is given by the compressed layers below (GPTQ's order:
/// Frantar et al. 2022). The text is cut as `eval` cuts it. Layers that stand in `work` already, and are of the same
/// model, recipe and text, are not made again: the result has the same bytes. Throws Error for a text without tokens
/// and, naming the module, for activations that are not finite. `admit`, if any, is told how many tokens there are
/// before the start, and says how many bytes of activations may be held in memory.
WalkResult walk_layers(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                       std::string_view text, const WorkPlace& work, Threads& threads,
                       const std::function<int64_t(int64_t rows)>& admit = {});

}  // namespace octet
