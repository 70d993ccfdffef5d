#pragma once
// Plain declarations only: files compiled for an instruction set include this.
#include <cstddef>
#include <cstdint>

namespace octet::kernels {

/// Every product has one shape. A step is 4 bytes of a token's row (4 INT8, 2 BF16 or 1 F32) against 4 bytes of each of
/// the kPanel channels of a panel; a tile is up to kTileRows tokens by one panel: 24 accumulators of 512 bits.
inline constexpr int kPanel = 32;
inline constexpr int kTileRows = 12;
inline constexpr int kBytesTileRows = 8;  // of a tile that widens codes itself
inline constexpr int kPairRows = 4;       // so few of them take two panels at a time
inline constexpr int kStripRows = 3;  // so few tokens take kStripPanels panels at a time, to have enough sums under way
inline constexpr int kStripPanels = 4;
inline constexpr int kStepBytes = 4;
inline constexpr int kPanelStepBytes = kPanel * kStepBytes;
inline constexpr int kQuad = 4;  // steps of a turn of the inner loop

struct CodeTable;

/// One piece of work: steps of one group of columns. First acc += a · w, then, if the group `ends`, its sum is
/// corrected, scaled and added to the total, which starts from the bias and becomes y after the last group:
///   INT8:         p = acc - (128 + zero_points[n]) · row_sum + column_offsets[n]   in int32, which may wrap on the way
///   BF16 and F32: p = fma(-zero_points[n], row_sum, acc)
///   total[m][n] = fma(float(p), input_scale · weight_scales[n], total[m][n])
struct Tile {
  const std::byte* a = nullptr;  // [rows][steps] of 4 bytes, rows a_stride bytes apart
  int64_t a_stride = 0;
  int rows = 0;                  // 1 … kTileRows
  const std::byte* w = nullptr;  // [steps][kPanel] of 4 bytes, 64-byte aligned; INT8 as code + 128
  int64_t steps = 0;
  const CodeTable* table = nullptr;  // of a tile that widens: w is [steps][64] codes as bytes_bf16 has them
  // Memory that will be read soon, to be fetched meanwhile: from `ahead` on, ahead_step bytes a quad of steps, in
  // lines.
  const std::byte* ahead = nullptr;
  int64_t ahead_step = 0;
  // More: so many groups in a row, each of `steps` steps (a multiple of kQuad) that begin and end here, without zero
  // points and column offsets. Strides lead to the next group's scales and sums. Only for tiles from group_kernels().
  int groups = 1;
  int64_t input_scales_stride = 0, weight_scales_stride = 0, row_sums_stride = 0;
  // More: [panels] of w and of acc. Either at most kStripRows rows, and the group does not end here; or, of a tile that
  // widens, 2 for at most kPairRows rows, with scales, zero points and totals of each.
  int panels = 1;
  int64_t w_stride = 0;               // bytes from panel to panel of w
  int64_t panel_scales_stride = 0;    // from panel to panel of weight_scales and zero_points
  int last_columns = 0;               // of the last panel
  void* acc = nullptr;                // [rows][kPanel] int32 or float, 64-byte aligned; as the tile likes it
  bool begins = false, ends = false;  // the group; between them acc goes on from piece to piece

  const float* input_scales = nullptr;      // [rows], and readable up to 16
  const float* weight_scales = nullptr;     // [kPanel]
  const void* row_sums = nullptr;           // the same, int32 for INT8, else float; or nullptr: 0
  const int32_t* column_offsets = nullptr;  // [kPanel], INT8 only; or nullptr: 0
  const int32_t* zero_points = nullptr;     // [kPanel] of the weight; or nullptr: 0
  bool first = false, last = false;         // of the groups
  float* totals = nullptr;                  // [rows][kPanel], 64-byte aligned: between groups
  const float* bias = nullptr;              // [columns]; or nullptr: 0
  float* y = nullptr;                       // [rows][columns], rows y_stride floats apart
  int64_t y_stride = 0;
  int columns = 0;  // 1 … kPanel
};
using TileFunction = void(const Tile&);

/// How the codes of a step lie in a packed weight, and what they are widened to for the tile.
enum class Encoding : uint8_t {
  direct,      // as the tile reads them
  bytes_bf16,  // 64 bytes a step, table[code] is BF16; order: see byte_position
  bytes_f32,   // the same bytes for two steps: the first columns of all channels, then the second ones
  int8_f32,    // 32 bytes a step
  bf16_f32,    // 64 BF16 for two steps: pairs of columns
  fp16_f32,    // 32 FP16 a step
};
inline constexpr int kEncodingStepBytes[] = {128, 64, 32, 32, 64, 64};

/// Where byte `half` (0, 1) of channel n (0 … 31) lies in the 64 bytes of a step of bytes_bf16: so that unpacking bytes
/// within lanes of 128 bits puts channels 0-15 and 16-31 into a register of 512 bits each.
constexpr int byte_position(int n, int half) {
  return (n % 16) / 4 * 16 + n / 16 * 8 + n % 4 * 2 + half;
}

/// The BF16 of each of the 256 codes.
struct CodeTable {
  alignas(64) uint8_t low[256], high[256];  // their bytes
  uint16_t values[256];
  bool int8;       // the codes are the numbers -128 … 127
  bool symmetric;  // the second half is the first with its sign set
  bool linear;     // and values[i] = (i << shift) + offset for 8 <= i < 120
  int shift, offset;
};

/// Widens steps of codes, an even number of them where the encoding speaks of two. table: the BF16 of each of the 256
/// codes.
struct Widen {
  Encoding encoding = Encoding::direct;
  const std::byte* codes = nullptr;
  int64_t steps = 0;
  const CodeTable* table = nullptr;  // for bytes_bf16 and bytes_f32
  std::byte* out = nullptr;          // [steps][kPanel] of 4 bytes, 64-byte aligned
};
using WidenFunction = void(const Widen&);

TileFunction int8_tile__avx512_vnni, int8_tile__avx512_vnni_intrinsics, int8_tile__avx2, int8_tile__reference;
TileFunction int8_tile__neon_i8mm, int8_tile__neon_dotprod, int8_tile__neon;
TileFunction bf16_tile__avx512_bf16, bf16_tile__avx512_bf16_intrinsics, bf16_tile__reference;
TileFunction f32_tile__avx512, f32_tile__avx512_intrinsics, f32_tile__avx2, f32_tile__neon, f32_tile__reference;
/// Tiles that take several groups, and tiles of at most kBytesTileRows rows that widen codes in registers.
TileFunction int8_groups__avx512_vnni, bf16_groups__avx512_bf16, f32_groups__avx512;
TileFunction bytes_tile__avx512_bf16;
WidenFunction widen__avx512_bf16, widen__avx512, widen__avx2, widen__neon, widen__reference;

}  // namespace octet::kernels
