#include "ops/linear_recipe.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace octet {

void AmaxHistory::end_step() {
  if (current_ == 0 || history_.empty()) return;
  history_[next_] = current_;
  next_ = (next_ + 1) % history_.size();
  current_ = 0;
  float largest = 0;
  for (const float x : history_) largest = x > largest || x != x ? x : largest;
  if (!(largest > 0) || std::isinf(largest)) return;  // the multiplier stays
  multiplier_ = kernels::largest_of(element_) * std::exp2(-margin_) / largest;
  if (std::isinf(multiplier_)) multiplier_ = std::numeric_limits<float>::max();
}

std::vector<float> AmaxHistory::state() const {
  std::vector<float> state = {multiplier_, static_cast<float>(next_)};
  state.insert(state.end(), history_.begin(), history_.end());
  return state;
}

void AmaxHistory::set_state(std::span<const float> state) {
  if (state.size() != history_.size() + 2)
    fail("an amax history of {} numbers is not one of {}", state.size(), history_.size() + 2);
  multiplier_ = state[0];
  next_ = static_cast<size_t>(state[1]) % history_.size();
  std::copy(state.begin() + 2, state.end(), history_.begin());
}

}  // namespace octet
