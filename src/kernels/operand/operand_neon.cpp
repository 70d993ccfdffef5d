#include <arm_neon.h>

#include "kernels/operand/operand_kernel.h"

namespace octet::kernels {
namespace {

#define OCTET_BLOCK 4

/// 4 x 4 words: rows 0 and 2 interleaved, rows 1 and 3, then these two.
[[gnu::always_inline]] inline void transpose_block(const uint32_t* from, int64_t from_stride, uint32_t* to,
                                                   int64_t to_stride) {
  uint32x4_t r[4], t[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) r[i] = vld1q_u32(from + i * from_stride);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    t[2 * i] = vzip1q_u32(r[i], r[i + 2]);
    t[2 * i + 1] = vzip2q_u32(r[i], r[i + 2]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    vst1q_u32(to + 2 * i * to_stride, vzip1q_u32(t[i], t[2 + i]));
    vst1q_u32(to + (2 * i + 1) * to_stride, vzip2q_u32(t[i], t[2 + i]));
  }
}

/// 64-bit lanes, as many 32-bit ones, and the product of the lower halves of lanes with a number.
typedef uint64_t Wide __attribute__((vector_size(16)));
typedef uint32_t Narrow __attribute__((vector_size(8)));
[[gnu::always_inline]] inline Wide multiply_low(Wide a, uint32_t b) {
  const uint32x2_t low = vmovn_u64(reinterpret_cast<uint64x2_t>(a));
  return reinterpret_cast<Wide>(vmull_u32(low, vdup_n_u32(b)));
}

}  // namespace
}  // namespace octet::kernels

#include "kernels/operand/operand.inc"

namespace octet::kernels {
const OperandKernel kOperandNeon = {round,       round_columns, largest, largest_of_groups, largest_of_columns,
                                    multipliers, transpose,     random};
}  // namespace octet::kernels
