#pragma once
#include "compress/plan.h"
#include "quant/transform/rotation.h"

namespace octet {

/// Whether every number of the final norm's weight is the same: then the rotation leaves a tied head tied.
bool has_even_final_norm(const Checkpoint& checkpoint);

/// The embedding, the final norm and the head of a model whose residual stream is rotated, a few rows at a time, into a
/// file of made tensors. A head that is quantized is made of its codes later, from the numbers written here.
void rotate_ends(const Checkpoint& checkpoint, const Plan& plan, const Rotation& rotation,
                 const std::filesystem::path& path, Threads& threads);

}  // namespace octet
