#pragma once
#include <map>
#include <string>
#include <vector>

namespace octet {

/// The smallest and the largest number seen.
struct SeenRange {
  float min = 0, max = 0;
};

/// What calibration found: how far the input of each linear module reached, and keys and values of each layer.
struct CalibrationRanges {
  std::map<std::string, SeenRange, std::less<>> inputs;  // by module
  std::vector<SeenRange> keys, values;                   // by layer
};

}  // namespace octet
