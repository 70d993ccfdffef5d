#pragma once
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "files/safetensors.h"

namespace octet {

/// What stands before the numbers of a safetensors file.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their offsets
  std::map<std::string, std::string> metadata;
  size_t data_begin = 0;  // where the data section begins in the file
};

/// Reads and checks the header of a whole file in memory. Throws Error beginning with `where`.
/// Format: https://github.com/huggingface/safetensors#format.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& where);

/// The 8 bytes of length, and the JSON padded to 8 bytes, as the safetensors crate writes them. Sets each tensor's
/// offset and bytes: the tensors lie one behind the other in the order given.
std::string safetensors_header(std::vector<TensorInfo>& tensors, const std::map<std::string, std::string>& metadata);

}  // namespace octet
