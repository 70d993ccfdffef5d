#pragma once
#include <cstdint>

// Plain declarations only: files compiled for one instruction set include this.
namespace octet::kernels {

/// BF16 of the codes 0 … 127 (without their sign), as low and high bytes.
struct DecodeTable {
  uint8_t low[128], high[128];
};
extern const DecodeTable kE4m3AsBf16, kInt8AsBf16;

}  // namespace octet::kernels
