#include "train/seen.h"

namespace octet::train {
namespace {

/// What one process has seen with one weight.
struct Seen {
  std::array<float, 3> amax{};
  InputRange::Ends ends{};
  std::array<kernels::Misfits, 3> misfits{};
};

std::array<AmaxHistory*, 3> histories_of(TrainedWeight& w) {
  return {&w.x_amax, &w.w_amax, &w.dy_amax};
}
std::array<kernels::Misfits*, 3> misfits_of(TrainedWeight& w) {
  return {&w.x_misfits, &w.w_misfits, &w.dy_misfits};
}

Seen seen_of(TrainedWeight& w) {
  Seen seen;
  for (size_t i = 0; i < 3; ++i) {
    seen.amax[i] = histories_of(w)[i]->current();
    seen.misfits[i] = *misfits_of(w)[i];
  }
  if (w.aware) seen.ends = w.aware->range.step;
  return seen;
}

}  // namespace

void share_seen(Processes& processes, std::span<const Weight> linears) {
  if (processes.count() == 1) return;
  std::vector<Seen> mine;
  for (const Weight& weight : linears) mine.push_back(seen_of(*weight.trained()));
  const auto all = processes.gathered(std::span<const Seen>(mine));
  for (size_t place = 0; place < all.size(); ++place) {
    if (static_cast<int>(place / mine.size()) == processes.rank()) continue;
    TrainedWeight& w = *linears[place % mine.size()].trained();
    for (size_t i = 0; i < 3; ++i) {
      histories_of(w)[i]->see(all[place].amax[i]);
      misfits_of(w)[i]->add(all[place].misfits[i]);
    }
    if (w.aware) w.aware->range.see(all[place].ends);
  }
}

}  // namespace octet::train
