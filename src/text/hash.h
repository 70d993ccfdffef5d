#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

namespace octet {

/// Mixes two words by their 128-bit product; for tables in memory only, never written to a file.
inline uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd1b54a32d192ed03u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view bytes) {
  const auto load = [](const char* p, size_t n) {
    uint64_t word = 0;
    std::memcpy(&word, p, n);
    return word;
  };
  const char* p = bytes.data();
  size_t n = bytes.size();
  uint64_t hash = n;
  for (; n > 16; p += 16, n -= 16) hash = mix(hash ^ load(p, 8), load(p + 8, 8));
  if (n >= 8) return mix(hash ^ load(p, 8), load(p + n - 8, 8));
  if (n >= 4) return mix(hash ^ load(p, 4), load(p + n - 4, 4));
  if (n == 0) return mix(hash, 0);
  return mix(hash ^ static_cast<uint8_t>(p[0]),
             static_cast<uint64_t>(static_cast<uint8_t>(p[n / 2])) << 8 | static_cast<uint8_t>(p[n - 1]));
}

}  // namespace octet
