#pragma once
#include <functional>
#include <string>
#include <vector>

#include "compress/layerwise.h"
#include "compress/options.h"
#include "compress/plan.h"

namespace octet {

/// Layers that other programs run as one, and what it costs to make them eight bits wide.
struct Sensitivity {
  std::vector<std::string> modules;
  const Scheme* scheme = nullptr;  // the better of those that are allowed
  double kl = 0;                   // of these layers alone, rounded to the nearest
  int64_t bytes_saved = 0;
};

/// The float model's last rows of a text, and what makes logits of them.
struct Reference {
  const Sequences& sequences;
  const std::vector<int32_t>& tokens;
  const Activations& hidden;
  const Decoder& end;
};

/// KL divergence of every unit of the plan under the best of `schemes`, each alone, on the first tokens of a text. Of
/// several schemes those whose blocks divide a unit's matrices are tried; the first has to fit all. The
/// disturbed streams of several layers go up through the float layers together, so that each layer is read once for
/// them, and stand in files of `place` where they are large. Static inputs get the range they have in this text.
std::vector<Sensitivity> measure_sensitivities(Context& ctx, const Checkpoint& checkpoint, const Plan& plan,
                                               const CompressOptions& options, std::span<const Scheme* const> schemes,
                                               const Reference& reference, const std::filesystem::path& place,
                                               const std::function<void(const std::string&)>& tell);

}  // namespace octet
