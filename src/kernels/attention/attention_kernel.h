#pragma once
#include <cstdint>

// Plain declarations only: files compiled for one instruction set include this.
namespace octet::kernels {

/// Keys in a block of the cache, and so in a row of scores.
inline constexpr int64_t kBlockKeys = 64;

/// How a block is stored. A block is a panel [depth,width], depth being what a product sums over: K is [dims,keys], V
/// is [keys,dims], dims padded to a multiple of 16. F32 is row-major; of the others rows 2i and 2i+1 are interleaved,
/// [depth/2,width,2], as vdpbf16ps reads them. INT8 codes are never -128.
enum class Stored : uint8_t { f32, bf16, e4m3, int8 };

/// One row of scores on its way to probabilities.
struct SoftmaxRow {
  float* scores;          // [64] in: q·k; out: exp(score - max), times v_scales; exactly 0 outside [begin,end)
  uint16_t* rounded;      // [64] the same in BF16; nullptr: not wanted
  float factor;           // score = q·k · factor (· k_scales)
  const float* k_scales;  // [64] of INT8 keys, or nullptr
  const float* v_scales;  // [64] of INT8 values, or nullptr
  int64_t begin, end;     // the keys this row sees: at least one
  float* max;             // running, -infinity at first
  float* sum;             // running sum of exp(score - max), before v_scales
  float* correction;      // out: exp(old max - new max), by which what was summed before shrinks
};

/// What an instruction set provides of this family. Products: c [rows,width] = correction[row] · c + a [rows,depth] ·
/// b [depth,width], starting from 0 where correction is nullptr, depth ascending; width is a multiple of 16. An
/// element's arithmetic depends on neither rows nor width. `ahead` is what will be wanted next, `ahead_step` bytes of
/// it to be fetched with each step of depth: a single query does too little for the hardware to run ahead by itself.
struct AttentionKernel {
  /// Panels as stored to F32 row-major [depth,width], depth even. Not for Stored::f32.
  void (*to_f32)(Stored stored, const void* panel, int64_t depth, int64_t width, float* out);
  /// To BF16 pairs [depth/2,width,2], depth even, F32 rounded half-even. nullptr: this instruction set multiplies BF16
  /// by rounding operands to it and widening them again.
  void (*to_pairs)(Stored stored, const void* panel, int64_t depth, int64_t width, uint16_t* out);
  /// Rounds to BF16, kept as F32; n is a multiple of 16. out may be x.
  void (*round)(const float* x, int64_t n, float* out);
  void (*product)(const float* a, int64_t a_stride, const float* b, int64_t depth, int64_t width, int64_t rows,
                  float* c, int64_t c_stride, const float* correction, const char* ahead, int64_t ahead_step);
  /// a [rows,pairs,2] and b [pairs,width,2] in BF16, strides in elements. nullptr where to_pairs is.
  void (*product_pairs)(const uint16_t* a, int64_t a_stride, const uint16_t* b, int64_t pairs, int64_t width,
                        int64_t rows, float* c, int64_t c_stride, const float* correction, const char* ahead,
                        int64_t ahead_step);
  void (*softmax)(const SoftmaxRow& row);
};

extern const AttentionKernel kAttentionReference, kAttentionAvx2, kAttentionAvx512, kAttentionAvx512Bf16,
    kAttentionNeon;

}  // namespace octet::kernels
