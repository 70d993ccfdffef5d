#pragma once
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace octet {

inline constexpr int64_t kMaxWidth = int64_t{1} << 22;
inline constexpr int64_t kMaxLayers = 4096;
inline constexpr int64_t kMaxPositions = int64_t{1} << 32;

/// Numbers of a config.json, each within bounds; it knows the place for its messages.
struct ConfigReader {
  const Json& json;
  const std::string& where;

  template <typename T>
  T value(const char* key, const T& fallback) const {
    return json_value<T>(json, key, fallback, where);
  }
  int64_t count(const char* key, int64_t fallback, int64_t most) const {
    const auto n = value<int64_t>(key, fallback);
    if (n < 1 || n > most) fail("{}: {} is {}; it must be between 1 and {}", where, key, n, most);
    return n;
  }
  int64_t required(const char* key, int64_t most) const {
    if (!json.contains(key) || json[key].is_null()) fail("{}: {} is missing", where, key);
    return count(key, 0, most);
  }
  double positive(const char* key, double fallback) const {
    const auto x = value<double>(key, fallback);
    if (!std::isfinite(x) || x <= 0) fail("{}: {} is {}; it must be a positive number", where, key, x);
    return x;
  }
};

}  // namespace octet
