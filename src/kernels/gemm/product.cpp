#include "kernels/gemm/product.h"

#include <algorithm>

namespace octet::kernels {
namespace {

constexpr int64_t kStripSteps = 32;
constexpr int64_t kStripStride =
    (kStripSteps + 1) * kPanelStepBytes;  // not 4096: loads would wait for stores 4 KiB apart
constexpr int64_t kStripAhead = 2048;     // bytes of a panel

// How far ahead codes that are read once are fetched: a little more than what memory delivers while a request is under
// way. Two panels at a time have as much under way together.
constexpr int64_t kAhead = 5120, kPairAhead = 3072;
constexpr int64_t kReadingTiles = 4;

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

void prefetch(const std::byte* from, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
}

/// Lines of y that the tile will write: asked for while it multiplies, since each lies elsewhere.
void fetch_result(const Tile& t) {
  for (int r = 0; r < t.rows; ++r) {
    __builtin_prefetch(t.y + r * t.y_stride, 1);
    __builtin_prefetch(t.y + r * t.y_stride + t.columns - 1, 1);
  }
}

}  // namespace

Way way_of(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w) {
  if (kernels.bytes && w.encoding == Encoding::bytes_bf16 && x.m <= kBytesWayRows) return Way::bytes;
  return x.m <= kTileRows && w.encoding != Encoding::direct ? Way::strips : Way::blocks;
}

/// Memory of a task: what lives from chunk to chunk is [panels][rows][kPanel], what does not is one tile.
struct Product::Scratch {
  std::byte* acc = nullptr;
  std::byte* totals = nullptr;
  std::byte* widened = nullptr;
};

/// A chunk of a panel.
struct Product::Codes {
  const std::byte* from;
  int64_t bytes;
};

Product::Product(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w,
                 const LeftSide& a, const float* bias, float* y, int64_t stride)
    : kernels_(kernels),
      x_(x),
      w_(w),
      a_(a),
      bias_(bias),
      y_(y),
      stride_(stride),
      way_(way_of(kernels, x, w)),
      step_bytes_(kEncodingStepBytes[static_cast<int>(w.encoding)]) {
  std::fill(std::begin(ones_), std::end(ones_), 1.0f);
}

void Product::run(const Block& block) const {
  thread_local Buffer acc, totals, widened;
  const int64_t panels = block.panel_end - block.panel_begin;
  const auto results = static_cast<size_t>(panels * block.rows() * kPanelStepBytes);
  const auto a_tile = static_cast<size_t>(kTileRows * kPanelStepBytes);  // or two of kPairRows
  acc.grow(w_.cut ? std::max(results, a_tile) : a_tile);
  if (w_.segments.size() > 1) totals.grow(w_.chunks.size() > 1 ? results : a_tile);
  if (way_ == Way::strips) widened.grow(kStripPanels * kStripStride);
  if (way_ == Way::blocks && w_.encoding != Encoding::direct) {
    widened.grow(static_cast<size_t>(panels * std::min(kChunkSteps, w_.steps) * kPanelStepBytes));
  }
  const Scratch scratch{acc.data(), totals.data(), widened.data()};
  for (const Chunk& c : w_.chunks) way_ == Way::strips ? strip(block, c, scratch) : chunk(block, c, scratch);
}

Product::Codes Product::codes_of(const Chunk& chunk, int64_t panel) const {
  return {w_.codes.data() + (panel * w_.steps + chunk.first_step) * step_bytes_, chunk.steps * step_bytes_};
}

void Product::chunk(const Block& block, const Chunk& chunk, const Scratch& scratch) const {
  const bool widens = way_ == Way::blocks && w_.encoding != Encoding::direct;
  const int64_t bytes = chunk.steps * kPanelStepBytes;
  for (int64_t p = block.panel_begin; widens && p < block.panel_end; ++p) {
    std::byte* to = scratch.widened + (p - block.panel_begin) * bytes;
    kernels_.widen({w_.encoding, codes_of(chunk, p).from, chunk.steps, &w_.table, to});
  }
  const int64_t tiles = divide_up(block.rows(), way_ == Way::bytes ? kBytesTileRows : kTileRows);
  Tile t;
  for (int64_t i = 0; i < tiles; ++i) {  // of nearly the same height
    const int64_t row = block.row_begin + block.rows() * i / tiles;
    const int64_t row_end = block.row_begin + block.rows() * (i + 1) / tiles;
    for (int64_t p = block.panel_begin; p < block.panel_end; p += t.panels) {
      place(t, block, scratch, p, row, row_end);
      fetch_ahead(t, block, chunk, p, i, tiles);
      multiply(t, chunk, p, row, widens ? scratch.widened + (p - block.panel_begin) * bytes : codes_of(chunk, p).from);
    }
  }
}

/// What does not change from piece to piece. (A fresh Tile for each tile would cost a twentieth of the time.)
void Product::place(Tile& t, const Block& block, const Scratch& scratch, int64_t panel, int64_t row,
                    int64_t row_end) const {
  const int64_t first = panel * kPanel;
  const int64_t at = ((panel - block.panel_begin) * block.rows() + row - block.row_begin) * kPanelStepBytes;
  t.a_stride = a_.row_bytes;
  t.rows = static_cast<int>(row_end - row);
  t.table = &w_.table;
  t.acc = w_.cut ? scratch.acc + at : scratch.acc;
  t.totals = reinterpret_cast<float*>(w_.chunks.size() > 1 ? scratch.totals + at : scratch.totals);
  t.y = y_ + row * stride_ + first;
  t.y_stride = stride_;
  t.columns = static_cast<int>(std::min<int64_t>(kPanel, w_.n - first));
  t.bias = bias_ ? bias_ + first : nullptr;
  if (way_ != Way::bytes) return;
  t.panels = x_.m <= kPairRows && panel + 1 < block.panel_end ? 2 : 1;
  t.w_stride = w_.steps * step_bytes_;
  t.panel_scales_stride = w_.weight_groups * kPanel;
  t.last_columns = static_cast<int>(std::min<int64_t>(kPanel, w_.n - first - kPanel));
}

/// One tile of tokens reads on through the codes; of a few, each fetches its share of the next block's. Many hide the
/// time of reading, and would only get into the way of their own operands.
void Product::fetch_ahead(Tile& t, const Block& block, const Chunk& chunk, int64_t panel, int64_t tile,
                          int64_t tiles) const {
  const int64_t quad = kQuad * step_bytes_;
  t.ahead_step = divide_up(quad, tiles);
  if (tiles == 1) {
    t.ahead = codes_of(chunk, panel).from + (t.panels == 2 ? kPairAhead : kAhead);
    return;
  }
  const int64_t next = block.next_panel + panel - block.panel_begin;
  t.ahead = tiles <= kReadingTiles && next < w_.panels
                ? codes_of(chunk, next).from + tile * (chunk.steps / kQuad) * t.ahead_step
                : nullptr;
  if (!t.ahead) t.ahead_step = 0;
}

void Product::multiply(Tile& t, const Chunk& chunk, int64_t panel, int64_t row, const std::byte* weight) const {
  TileFunction* const tile = way_ == Way::bytes ? kernels_.bytes : kernels_.tile;
  TileFunction* const groups = way_ == Way::bytes ? kernels_.bytes : kernels_.groups;
  const int64_t step_bytes = way_ == Way::bytes ? step_bytes_ : kPanelStepBytes;
  const std::byte* const ahead = t.ahead;
  const bool runs = groups && !w_.zero_points.bytes() && !w_.column_offsets.bytes();
  for (int64_t i = 0; i < chunk.pieces; i += t.groups) {
    const Piece& piece = w_.pieces[static_cast<size_t>(chunk.first_piece + i)];
    const int64_t at = piece.first_step - chunk.first_step;
    t.groups = runs ? piece.run : 1;
    t.a = a_.rows + row * a_.row_bytes + piece.first_step * kStepBytes;
    t.w = weight + at * step_bytes;
    t.ahead = ahead ? ahead + at / kQuad * t.ahead_step : nullptr;
    t.steps = piece.steps;
    t.begins = piece.begins;
    t.ends = piece.ends;
    if (t.begins || t.ends) corrections(t, panel, row, piece);
    if (t.ends && t.last && t.panels == 1) fetch_result(t);
    t.groups > 1 ? groups(t) : tile(t);
  }
}

/// One tile of tokens and codes to widen: a little at a time, so that memory is read while it is multiplied, and of
/// several panels at a time where a token or three would have too few sums under way.
void Product::strip(const Block& block, const Chunk& chunk, const Scratch& scratch) const {
  const auto panels = static_cast<int>(block.panel_end - block.panel_begin);
  const int64_t turn = panels == 1 ? 2 * kStripSteps : kStripSteps;
  Tile t;
  place(t, block, scratch, block.panel_begin, block.row_begin, block.row_end);
  t.acc = scratch.acc;
  for (int64_t i = 0; i < chunk.pieces; ++i) {
    const Piece& piece = w_.pieces[static_cast<size_t>(chunk.first_piece + i)];
    for (int64_t at = 0; at < piece.steps; at += turn) {
      t.steps = std::min(turn, piece.steps - at);
      for (int p = 0; p < panels; ++p) {
        const std::byte* codes =
            w_.codes.data() + ((block.panel_begin + p) * w_.steps + piece.first_step + at) * step_bytes_;
        prefetch(codes + kStripAhead, t.steps * step_bytes_);
        kernels_.widen({w_.encoding, codes, t.steps, &w_.table, scratch.widened + p * kStripStride});
      }
      t.a = a_.rows + block.row_begin * a_.row_bytes + (piece.first_step + at) * kStepBytes;
      t.w = scratch.widened;
      t.w_stride = kStripStride;
      t.panels = panels;
      t.begins = piece.begins && at == 0;
      t.ends = false;
      kernels_.tile(t);
    }
    if (piece.ends) end_strip(block, scratch, i + chunk.first_piece);
  }
}

void Product::end_strip(const Block& block, const Scratch& scratch, int64_t piece) const {
  Tile t;
  for (int64_t p = block.panel_begin; p < block.panel_end; ++p) {
    place(t, block, scratch, p, block.row_begin, block.row_end);
    t.acc = scratch.acc + (p - block.panel_begin) * t.rows * kPanelStepBytes;
    t.ends = true;
    corrections(t, p, block.row_begin, w_.pieces[static_cast<size_t>(piece)]);
    kernels_.tile(t);
  }
}

void Product::corrections(Tile& t, int64_t panel, int64_t row, const Piece& piece) const {
  const Segment& s = w_.segments[static_cast<size_t>(piece.segment)];
  const auto segments = static_cast<int64_t>(w_.segments.size());
  const int64_t group = (panel * w_.weight_groups + s.weight_group) * kPanel;
  t.first = piece.segment == 0;
  t.last = piece.segment + t.groups == segments;
  t.weight_scales = w_.scales.as<float>() + group;
  t.zero_points = w_.zero_points.bytes() ? w_.zero_points.as<int32_t>() + group : nullptr;
  t.column_offsets = w_.column_offsets.bytes()
                         ? w_.column_offsets.as<int32_t>() + (panel * segments + piece.segment) * kPanel
                         : nullptr;
  t.row_sums = a_.sums ? static_cast<const std::byte*>(a_.sums) + (piece.segment * x_.m + row) * 4 : nullptr;
  t.input_scales = x_.groups == 0 ? ones_ : x_.scales.as<float>() + s.input_group * x_.m + row;
  if (t.groups == 1) return;
  const Segment& next = (&s)[1];
  t.weight_scales_stride = (next.weight_group - s.weight_group) * kPanel;
  t.input_scales_stride = x_.groups == 0 ? 0 : (next.input_group - s.input_group) * x_.m;
  t.row_sums_stride = a_.sums ? x_.m : 0;
}

}  // namespace octet::kernels
