#pragma once
#include <string>
#include <vector>

#include "train/trainer.h"

namespace octet::train {

/// Says whether the next step counts what formats do not hold; nothing is counted yet.
void watch_misfits(Trainer& trainer, bool watch);

/// The share of the numbers of a tensor, such as {"overflow/model.layers.0.mlp.up_proj.x", 0.001}.
struct MisfitShare {
  std::string tag;
  double share;
};

/// What was counted in the step: for each linear layer its input (.x), its weight (.w) and the gradient of its result
/// (.dy), where they have a format that does not hold everything, which F32 and BF16 as good as do.
std::vector<MisfitShare> misfit_shares(Trainer& trainer);

}  // namespace octet::train
