#pragma once
#include <cstdint>

namespace octet {

/// Numbers that are to share a scale, and what they would be encoded as. Plain data: read by files of every
/// instruction set.
struct ErrorSum {
  const float* x;       // [rows, columns], rows `stride` apart
  const float* weight;  // [columns], of each column's squared error; nullptr: all count alike
  int64_t rows, columns, stride;
  float scale;
  float lowest, highest;  // the ends of the grid of codes, of INT8: -128 and 127
};

/// Σ weight·(x - code·scale)² in F32, in 16 sums by column modulo 16: the same bits on every instruction set. The
/// quotient is x·(1/scale), so that a tie may fall to the other side than it does in the codes.
float int8_error(const ErrorSum& sum);
float e4m3_error(const ErrorSum& sum);
float e5m2_error(const ErrorSum& sum);

}  // namespace octet
