#pragma once
#include "kernels/gemm/left_side.h"

namespace octet::kernels {

/// How the work goes through the tokens and panels of a task.
enum class Way : uint8_t {
  blocks,  // codes of a few panels are widened, if they need it, and meet tile after tile of tokens
  bytes,   // at most kBytesWayRows tokens: tiles widen the codes themselves
  strips,  // at most kTileRows tokens, where no tile does: a little is widened at a time
};
inline constexpr int64_t kBytesWayRows = 4 * kBytesTileRows;
Way way_of(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w);

/// Tokens and panels of a task, and the panel where the next one will likely begin.
struct Block {
  int64_t row_begin, row_end, panel_begin, panel_end, next_panel;
  int64_t rows() const { return row_end - row_begin; }
};

/// y = x · wᵀ + bias, and the work of one task of it.
class Product {
 public:
  Product(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w, const LeftSide& a,
          const float* bias, float* y, int64_t stride);
  void run(const Block& block) const;

 private:
  struct Scratch;
  struct Codes;
  Codes codes_of(const Chunk& chunk, int64_t panel) const;
  void chunk(const Block& block, const Chunk& chunk, const Scratch& scratch) const;
  void place(Tile& t, const Block& block, const Scratch& scratch, int64_t panel, int64_t row, int64_t row_end) const;
  void fetch_ahead(Tile& t, const Block& block, const Chunk& chunk, int64_t panel, int64_t tile, int64_t tiles) const;
  void multiply(Tile& t, const Chunk& chunk, int64_t panel, int64_t row, const std::byte* weight) const;
  void corrections(Tile& t, int64_t panel, int64_t row, const Piece& piece) const;
  void strip(const Block& block, const Chunk& chunk, const Scratch& scratch) const;
  void end_strip(const Block& block, const Scratch& scratch, int64_t piece) const;

  const GemmKernels& kernels_;
  const PreparedInput::Layout& x_;
  const PackedWeight::Layout& w_;
  const LeftSide& a_;
  const float* bias_;
  float* y_;
  int64_t stride_;
  Way way_;
  int64_t step_bytes_;  // of a panel's codes
  float ones_[kPanel];
};

}  // namespace octet::kernels
