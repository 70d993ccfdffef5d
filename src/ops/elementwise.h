#pragma once
#include <span>

#include "ops/context.h"

namespace octet {

/// x += y, the residual connection.
void add_to(Context& ctx, Tensor& x, const Tensor& y);

/// Rows of the table [V,D] (F32, BF16 or F16), widened: [M,D]. Throws Error for an id outside the table.
Tensor embedding_rows(const Tensor& table, std::span<const int32_t> ids);

/// The same, of a table that may be trained.
Tensor embedding(Context& ctx, const Tensor& table, std::span<const int32_t> ids);

}  // namespace octet
