#pragma once
#include <cstdint>
#include <string_view>

namespace octet::train {

enum class Decay : uint8_t { constant, linear, cosine };

/// Throws UsageError listing the names: "constant", "linear", "cosine".
Decay decay_named(std::string_view name);
std::string_view name_of(Decay decay);

/// How the learning rate moves: up in a line over the warm-up, then down towards `floor` of the largest, which it would
/// reach the step after the last. With a floor of 0, get_{constant,linear,cosine}_schedule_with_warmup of Transformers,
/// whose first rate is 0 where there is a warm-up.
struct Schedule {
  Decay decay = Decay::cosine;
  int64_t warmup_steps = 0, total_steps = 1;
  double floor = 0;  ///< in [0, 1]: what is left at the end

  /// Of step 1 … total_steps, in [0, 1]: what the learning rate is multiplied by. After total_steps: floor (1 where the
  /// decay is constant).
  double factor(int64_t step) const;
};

/// Throws Error naming the field that is out of its range.
void check(const Schedule& schedule);

}  // namespace octet::train
