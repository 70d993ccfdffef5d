#pragma once
#include <cstdint>
#include <span>

namespace octet::train {

/// Numbers that share a scale in moments of eight bits.
constexpr int64_t kStateBlock = 256;

/// The 256 numbers that codes of int8 moments stand for, ascending, the largest 1 (dynamic tree quantization: Dettmers
/// 2016, arXiv:1511.04561, as bitsandbytes and torchao lay it out): seven powers of ten, each with twice the numbers of
/// the one below. Signed: -0.993 … 1, without: 0 … 1.
std::span<const float, 256> dynamic_map(bool is_signed);

/// The code that stands for 0.
uint8_t code_of_zero(bool is_signed);

/// The codes nearest to x [n], each in [-1, 1]; halfway ones go up, as torchao computes it in F32. NaN gets any code.
/// keep_positive: what is larger than 0 gets no code below the smallest number above 0.
void encode_dynamic(bool is_signed, bool keep_positive, const float* x, int64_t n, uint8_t* codes);

}  // namespace octet::train
