#include "train/misfits.h"

#include <fmt/format.h>

namespace octet::train {

void watch_misfits(Trainer& trainer, bool watch) {
  trainer.tape().counts_misfits = watch;
  for (const Weight& weight : trainer.model().linears) {
    TrainedWeight& w = *weight.trained();
    w.x_misfits = w.w_misfits = w.dy_misfits = {};
  }
}

std::vector<MisfitShare> misfit_shares(Trainer& trainer) {
  std::vector<MisfitShare> shares;
  for (const Weight& weight : trainer.model().linears) {
    const TrainedWeight& w = *weight.trained();
    const std::pair<const char*, const kernels::Misfits*> parts[] = {
        {"x", &w.x_misfits}, {"w", &w.w_misfits}, {"dy", &w.dy_misfits}};
    for (const auto& [part, counts] : parts) {
      if (counts->values == 0) continue;
      const auto values = static_cast<double>(counts->values);
      const std::string name = fmt::format("{}.{}", weight.module(), part);
      shares.push_back({"overflow/" + name, static_cast<double>(counts->overflow) / values});
      shares.push_back({"underflow/" + name, static_cast<double>(counts->underflow) / values});
    }
  }
  return shares;
}

}  // namespace octet::train
