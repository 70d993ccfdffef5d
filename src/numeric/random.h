#pragma once
#include <array>
#include <cstdint>

namespace octet {

/// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): four random words
/// that depend on counter and key alone.
constexpr std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

/// Random numbers without a state to save: those of element i depend on (seed, step, tensor, i) alone, so they are the
/// same for every number of threads and after a restart..
class RandomStream {
 public:
  constexpr RandomStream(uint64_t seed, uint32_t step, uint32_t tensor)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, step_(step), tensor_(tensor) {}

  /// The words of elements 4 * block … 4 * block + 3.
  constexpr std::array<uint32_t, 4> block(uint64_t block) const {
    return philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), step_, tensor_}, key_);
  }

  /// 32 random bits.
  constexpr uint32_t bits(uint64_t element) const { return block(element / 4)[element % 4]; }

  constexpr std::array<uint32_t, 2> key() const { return key_; }
  constexpr uint32_t step() const { return step_; }
  constexpr uint32_t tensor() const { return tensor_; }

  /// Uniform in [0, 1), a multiple of 2^-24.
  constexpr float uniform(uint64_t element) const { return static_cast<float>(bits(element) >> 8) * 0x1p-24f; }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t step_;
  uint32_t tensor_;
};

}  // namespace octet
