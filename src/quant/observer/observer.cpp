#include "quant/observer/observer.h"

namespace octet {
namespace {

constexpr RangeObserver kObservers[] = {
    {"minmax", minmax_ranges, "the largest magnitude: nothing is clipped"},
};

}  // namespace

std::span<const RangeObserver> range_observers() {
  return kObservers;
}

}  // namespace octet
