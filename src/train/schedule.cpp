#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace octet::train {

void check(const Schedule& s) {
  if (s.total_steps < 1) fail("total_steps is {}; there must be at least 1", s.total_steps);
  if (s.warmup_steps < 0 || s.warmup_steps > s.total_steps) {
    fail("warmup_steps is {}; it must be from 0 to {}, the steps of the run", s.warmup_steps, s.total_steps);
  }
  if (!(s.floor >= 0 && s.floor <= 1)) fail("floor is {}; it must be from 0 to 1", s.floor);
}

// Transformers' schedulers count from 0 and set the rate before a step: theirs at s - 1 is ours at s.
double Schedule::factor(int64_t step) const {
  const int64_t done = std::max<int64_t>(0, step - 1);
  if (done < warmup_steps) return static_cast<double>(done) / static_cast<double>(warmup_steps);
  if (decay == Decay::constant) return 1;
  const int64_t length = std::max<int64_t>(1, total_steps - warmup_steps);
  const double progress = std::min(1.0, static_cast<double>(done - warmup_steps) / static_cast<double>(length));
  const double left = decay == Decay::linear ? 1 - progress : 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return floor + (1 - floor) * left;
}

}  // namespace octet::train
