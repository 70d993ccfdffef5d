#pragma once
#include <vector>

#include "kernels/gemm/buffer.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/tile.h"

namespace octet::kernels {

/// What the multiplier sees: INT8 where both sides are INT8; BF16 where both sides are exact in it and the CPU is good
/// at it; else F32.
enum class Arithmetic : uint8_t { int8, bf16, f32 };
constexpr int elements_of_step(Arithmetic a) {
  return a == Arithmetic::int8 ? 4 : a == Arithmetic::bf16 ? 2 : 1;
}
/// Segments are padded to a multiple of so many columns: a step, and two columns where F32 is widened in pairs.
constexpr int columns_of_unit(Arithmetic a) {
  return a == Arithmetic::int8 ? 4 : 2;
}

/// How this machine multiplies what is exact in BF16: as bf16 or as f32.
Arithmetic bf16_arithmetic();

/// `wide` is what stands for bf16_arithmetic(); tests try both.
Arithmetic arithmetic_of(const InputFormat& input, Format weight, Arithmetic wide = bf16_arithmetic());
/// How a prepared input holds a number: INT8 codes, BF16 values or F32 values.
Arithmetic held_as(const InputFormat& input, Arithmetic wide = bf16_arithmetic());
/// Columns that share a scale of the input; 0: all of a row, or there are none.
int64_t scale_group(const InputFormat& input);

/// Columns that share both their scales, in the order of K. Each begins at a step of its own.
struct Segment {
  int64_t begin = 0, count = 0;       // columns
  int64_t first_step = 0, steps = 0;  // in the packed panel
  int64_t weight_group = 0, input_group = 0;
};

/// 255 · 255 · 32768 < 2^31: longer rows are summed in several int32 sums, which are added as floats.
inline constexpr int64_t kMaxInt8Segment = 32768;
std::vector<Segment> segments_of(int64_t k, int64_t weight_group, int64_t input_group, Arithmetic arithmetic);

/// Steps of a segment, and the pieces that make a chunk: what is widened at a time and stays in the second-level cache.
struct Piece {
  int64_t segment = 0, first_step = 0, steps = 0;
  bool begins = false, ends = false;  // its segment
  int run = 1;  // pieces from here on, in this chunk, that are whole segments of equal steps, and evenly spaced groups
};
struct Chunk {
  int64_t first_piece = 0, pieces = 0, first_step = 0, steps = 0;
};
inline constexpr int64_t kChunkSteps = 2048;

struct PackedWeight::Layout {
  int64_t n = 0, k = 0;
  InputFormat input;
  Arithmetic arithmetic = Arithmetic::f32;
  Encoding encoding = Encoding::direct;
  std::vector<Segment> segments;
  std::vector<Piece> pieces;
  std::vector<Chunk> chunks;
  int64_t panels = 0, steps = 0, weight_groups = 1;
  bool cut = false;       // a segment takes several pieces
  bool ragged = false;    // a segment other than the last ends inside a step: inputs are rearranged
  CodeTable table = {};   // for the encodings that need it
  Buffer codes;           // [panels][steps][kEncodingStepBytes]
  Buffer scales;          // float [panels][weight_groups][kPanel]
  Buffer zero_points;     // int32 [panels][weight_groups][kPanel], or empty
  Buffer column_offsets;  // int32 [panels][segments][kPanel], or empty
};

/// Tiles read their rows' scales and sums as whole registers.
inline constexpr int64_t kReadable = 16;

struct PreparedInput::Layout {
  InputFormat format;
  Arithmetic held = Arithmetic::f32;
  int64_t m = 0, k = 0, row_bytes = 0, groups = 0;
  int64_t sum_segments = 0;
  Buffer rows;    // [m] of row_bytes: INT8 codes, BF16 or F32, then zeros
  Buffer scales;  // float [groups][m], readable 16 floats further; groups 0: no scales
  Buffer sums;    // int32 [sum_segments][m], the same, INT8 only: of the codes of each of the input's own segments
};

/// Cuts l.segments into pieces, and gathers pieces into chunks of at most kChunkSteps.
void plan_pieces(PackedWeight::Layout& l);
/// `codebook` [256]: of a weight's own codes; else nullptr.
void fill_table(Format format, CodeTable& table, const float* codebook = nullptr);
void pack(PackedWeight::Layout& layout, const WeightSource& source, const InputFormat& input, Threads& threads,
          Arithmetic wide = bf16_arithmetic());
void prepare(PreparedInput::Layout& layout, const float* x, int64_t m, int64_t k, int64_t stride,
             const InputFormat& format, Threads& threads, Arithmetic wide = bf16_arithmetic());

using TileKernel = Kernel<TileFunction>;
using WidenKernel = Kernel<WidenFunction>;
std::span<const TileKernel> tile_kernels(Arithmetic arithmetic);
std::span<const WidenKernel> widen_kernels();
/// Tiles of several groups; nullptr where there is none.
std::span<const TileKernel> group_kernels(Arithmetic arithmetic);
/// Tiles that widen what Encoding::bytes_bf16 holds in registers; nullptr where there is none.
std::span<const TileKernel> bytes_kernels();

/// The rows of the lists that a product runs with.
struct GemmKernels {
  TileFunction* tile = nullptr;
  WidenFunction* widen = nullptr;
  TileFunction* groups = nullptr;
  TileFunction* bytes = nullptr;
};
GemmKernels best_kernels(Arithmetic arithmetic);
/// gemm with other rows, for tests.
void gemm_with(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w,
               const float* bias, float* y, int64_t stride, Threads& threads);

}  // namespace octet::kernels
