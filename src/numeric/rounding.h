#pragma once
#include <cstdint>

namespace octet {

/// What becomes of a value between two neighbours of a format. All modes round the magnitude, so they are symmetric
/// in the sign; a value the format holds exactly is never changed.
enum class Rounding : uint8_t {
  half_even,    ///< to the nearest; a tie to the neighbour whose last bit is 0 (IEEE 754 roundTiesToEven)
  half_away,    ///< to the nearest; a tie to the neighbour of larger magnitude (IEEE 754 roundTiesToAway)
  toward_zero,  ///< to the neighbour of smaller magnitude
  stochastic,   ///< to the larger magnitude with probability (distance from the smaller) / (gap), by the random bits
                ///< given
};

/// significand / 2^drop as an integer, rounded. significand < 2^24, drop >= 1. `random` is used by Rounding::stochastic
/// only and counts as a fraction of 2^32: the result is the upper neighbour where random / 2^32 < the fraction dropped.
constexpr uint32_t round_shift(uint32_t significand, int drop, Rounding rounding, uint32_t random) {
  // Beyond 31 dropped bits every mode but the stochastic one gives 0 for a significand of 24 bits.
  const int narrow = drop < 31 ? drop : 31;
  const uint32_t half = uint32_t{1} << (narrow - 1);
  switch (rounding) {
    case Rounding::half_even:
      return (significand + half - 1 + ((significand >> narrow) & 1)) >> narrow;
    case Rounding::half_away:
      return (significand + half) >> narrow;
    case Rounding::toward_zero:
      return significand >> narrow;
    case Rounding::stochastic:
      break;
  }
  // In 32.32 fixed point; beyond 56 dropped bits the fraction is under 2^-32 and the chance of it is 0.
  const int wide = drop < 56 ? drop : 56;
  const uint64_t fixed = (uint64_t{significand} << 32) >> wide;
  const auto fraction = static_cast<uint32_t>(fixed);
  return static_cast<uint32_t>(fixed >> 32) + (random < fraction ? 1 : 0);
}

}  // namespace octet
