#pragma once
#include "base/threads.h"
#include "files/checkpoint.h"

namespace octet {

/// Throws Error naming the first tensor of the checkpoint that holds NaN or infinity, before hours of work are lost to
/// it. F32, BF16 and F16 are looked at, about as fast as memory.
void require_finite(const Checkpoint& checkpoint, Threads& threads);

/// The same of some of a tensor's numbers, which lie at an address of their dtype.
void require_finite(const Checkpoint& checkpoint, const TensorInfo& tensor, std::span<const std::byte> numbers);

}  // namespace octet
