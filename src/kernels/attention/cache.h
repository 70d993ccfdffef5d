#pragma once
#include "kernels/attention/attention.h"
#include "kernels/attention/attention_kernel.h"

namespace octet::kernels {

/// The cache as the kernels see it: head after head, block after block; a block is its panel and, of INT8, 64 F32
/// scales. Its memory is aligned to 4 bytes at least; it is fastest where that is 64.
struct CacheShape {
  Stored stored;
  int64_t dims;        // head_dim padded to a multiple of 16
  size_t panel_bytes;  // of the codes of a block
  size_t block_bytes;  // with its scales
  size_t head_bytes;   // of all blocks of a head
};

/// Throws Error for a format no cache has, and for sizes that no memory holds.
CacheShape shape_of(const CacheLayout& layout);

}  // namespace octet::kernels
