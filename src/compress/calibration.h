#pragma once
#include <map>
#include <string>
#include <vector>

#include "compress/made.h"
#include "quant/observer/stream.h"

namespace octet {

/// What calibration found: how far the input of each linear module reached, and keys and values of each layer.
struct CalibrationRanges {
  std::map<std::string, SeenRange, std::less<>> inputs;  // by module
  std::vector<SeenRange> keys, values;                   // by layer
};

/// What is known before the output is written: ranges, and the tensors that an algorithm made already.
struct Calibration {
  CalibrationRanges ranges;
  Made made;
};

}  // namespace octet
