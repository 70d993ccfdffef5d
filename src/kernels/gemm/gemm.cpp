// y = x · wᵀ in blocks: a task is a block of tokens by a few panels; it walks K in chunks, widens a chunk of each panel
// once, and runs the tiles of its tokens over it.
#include "kernels/gemm/gemm.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/gemm/layout.h"

namespace octet::kernels {
namespace {

constexpr int64_t kBlockRows =
    516;  // tokens of a task: a multiple of kTileRows; their chunk stays in the second-level cache
constexpr int64_t kBlockPanels = 8;

constexpr int64_t kStripSteps = 32;
constexpr int64_t kStripStride =
    (kStripSteps + 1) * kPanelStepBytes;  // not 4096: loads would wait for stores 4 KiB apart
constexpr int64_t kStripAhead = 2048;     // bytes of a panel

bool wants_strips(const PreparedInput::Layout& x, const PackedWeight::Layout& w) {
  return x.m <= kTileRows && w.encoding != Encoding::direct;
}

/// The left side as the tiles read it: x itself, or a copy rearranged for w.
struct Operand {
  const std::byte* rows = nullptr;
  int64_t row_bytes = 0;
  const void* sums = nullptr;  // [segments][m] int32 or float, or nullptr
};

/// Element k of a row of x as a number: INT8 less its zero point.
float value_of(const PreparedInput::Layout& x, const std::byte* row, int64_t k) {
  switch (x.held) {
    case Arithmetic::int8:
      return static_cast<float>(reinterpret_cast<const int8_t*>(row)[k] - x.format.zero_point);
    case Arithmetic::bf16:
      return bf16_to_float(reinterpret_cast<const uint16_t*>(row)[k]);
    case Arithmetic::f32:
      return reinterpret_cast<const float*>(row)[k];
  }
  return 0;
}

/// Rare: formats whose product is F32 though x is held narrower, and groups that end inside a step.
void rearrange(const PreparedInput::Layout& x, const PackedWeight::Layout& w, Threads& threads, Buffer& copy,
               Operand& a) {
  const int64_t element = kStepBytes / elements_of_step(w.arithmetic);
  const bool widen = w.arithmetic != x.held;
  a.row_bytes = w.steps * kStepBytes;
  copy.grow(static_cast<size_t>(x.m * a.row_bytes));
  a.rows = copy.data();
  threads.for_range(x.m, 4, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const std::byte* from = x.rows.data() + m * x.row_bytes;
      std::byte* to = copy.data() + m * a.row_bytes;
      std::memset(to, 0, static_cast<size_t>(a.row_bytes));
      for (const Segment& s : w.segments) {
        std::byte* at = to + s.first_step * kStepBytes;
        if (!widen) {
          std::memcpy(at, from + s.begin * element, static_cast<size_t>(s.count * element));
          continue;
        }
        for (int64_t k = 0; k < s.count; ++k) reinterpret_cast<float*>(at)[k] = value_of(x, from, s.begin + k);
      }
    }
  });
}

/// Sums of x over w's segments, where x has none that fit.
void sum_rows(const PreparedInput::Layout& x, const PackedWeight::Layout& w, Threads& threads, Buffer& sums) {
  const auto segments = static_cast<int64_t>(w.segments.size());
  sums.grow(static_cast<size_t>(x.m * segments + kReadable) * sizeof(float));
  threads.for_range(x.m, 4, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const std::byte* row = x.rows.data() + m * x.row_bytes;
      for (int64_t i = 0; i < segments; ++i) {
        const Segment& s = w.segments[static_cast<size_t>(i)];
        if (w.arithmetic == Arithmetic::int8) {
          int32_t sum = 0;
          for (int64_t k = 0; k < s.count; ++k) sum += reinterpret_cast<const int8_t*>(row)[s.begin + k];
          sums.as<int32_t>()[i * x.m + m] = sum;
          continue;
        }
        float sum = 0;
        for (int64_t k = 0; k < s.count; ++k) sum += value_of(x, row, s.begin + k);
        sums.as<float>()[i * x.m + m] = sum;
      }
    }
  });
}

/// How the product is cut into tasks.
struct Plan {
  int64_t block_rows, row_blocks, block_panels, panel_blocks;
  int64_t tasks() const { return row_blocks * panel_blocks; }
};

constexpr int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

Plan plan_of(int64_t m, int64_t panels, bool strips, int threads) {
  Plan plan{};
  plan.row_blocks = divide_up(m, kBlockRows);
  plan.block_rows = divide_up(divide_up(m, plan.row_blocks), kTileRows) * kTileRows;
  plan.block_panels = strips && m <= kStripRows ? kStripPanels : m > kTileRows ? kBlockPanels : 1;
  const auto fit = [&] {
    plan.row_blocks = divide_up(m, plan.block_rows);
    plan.panel_blocks = divide_up(panels, plan.block_panels);
  };
  fit();
  for (; plan.tasks() < 4 * threads && plan.block_panels > 1; fit()) plan.block_panels /= 2;
  for (; plan.tasks() < 2 * threads && plan.block_rows > kTileRows; fit()) {
    plan.block_rows = divide_up(divide_up(plan.block_rows, 2), kTileRows) * kTileRows;
  }
  return plan;
}

/// What one product needs to know, and the work of one task.
class Product {
 public:
  Product(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w, const Operand& a,
          const float* bias, float* y, int64_t stride)
      : kernels_(kernels), x_(x), w_(w), a_(a), bias_(bias), y_(y), stride_(stride) {
    for (int64_t i = 0; i < kPanel; ++i) ones_[i] = 1;
  }

  void task(int64_t row_begin, int64_t row_end, int64_t panel_begin, int64_t panel_end) const {
    thread_local Buffer acc, totals, widened;
    Block block{row_begin, row_end, panel_begin, panel_end};
    const auto bytes = static_cast<size_t>((panel_end - panel_begin) * (row_end - row_begin) * kPanelStepBytes);
    acc.grow(w_.cut ? bytes : kTileRows * kPanelStepBytes);
    if (w_.segments.size() > 1) totals.grow(bytes);
    if (w_.encoding != Encoding::direct) widened.grow(static_cast<size_t>(kChunkSteps * kPanelStepBytes));
    block.acc = acc.data();
    block.totals = totals.data();
    if (wants_strips(x_, w_)) {
      acc.grow(kTileRows * kPanelStepBytes);
      block.acc = acc.data();
      for (const Chunk& chunk : w_.chunks) strip(block, chunk, widened);
      return;
    }
    for (const Chunk& chunk : w_.chunks) {
      for (int64_t p = panel_begin; p < panel_end; ++p) tiles(block, chunk, p, chunk_of(chunk, p, widened));
    }
  }

 private:
  /// Rows and panels of a task, and its scratch: [panels][rows][kPanel] each.
  struct Block {
    int64_t row_begin, row_end, panel_begin, panel_end;
    std::byte* acc = nullptr;
    std::byte* totals = nullptr;
  };

  /// Memory that will be read next.
  struct Ahead {
    const std::byte* from = nullptr;
    int64_t bytes = 0;
  };

  Ahead codes_of(const Chunk& chunk, int64_t panel) const {
    const int64_t bytes = kEncodingStepBytes[static_cast<int>(w_.encoding)];
    return {w_.codes.data() + (panel * w_.steps + chunk.first_step) * bytes, chunk.steps * bytes};
  }

  const std::byte* chunk_of(const Chunk& chunk, int64_t panel, const Buffer& widened) const {
    const std::byte* codes = codes_of(chunk, panel).from;
    if (w_.encoding == Encoding::direct) return codes;
    kernels_.widen({w_.encoding, codes, chunk.steps, &w_.table, widened.data()});
    return widened.data();
  }

  /// The codes that the task will want after this chunk of this panel.
  Ahead codes_after(const Block& block, const Chunk& chunk, int64_t panel) const {
    if (panel + 1 < block.panel_end) return codes_of(chunk, panel + 1);
    return &chunk == &w_.chunks.back() ? Ahead{} : codes_of((&chunk)[1], block.panel_begin);
  }

  void tiles(const Block& block, const Chunk& chunk, int64_t panel, const std::byte* weight) const {
    const int64_t rows = block.row_end - block.row_begin, count = divide_up(rows, kTileRows);
    const Ahead ahead = x_.m <= kTileRows ? Ahead{} : codes_after(block, chunk, panel);
    Tile t;
    for (int64_t i = 0; i < count; ++i) {  // tiles of nearly the same height
      const int64_t begin = block.row_begin + rows * i / count, end = block.row_begin + rows * (i + 1) / count;
      prefetch({ahead.from + ahead.bytes * i / count, ahead.bytes * (i + 1) / count - ahead.bytes * i / count});
      tile(t, block, chunk, panel, weight, begin, end);
    }
  }

  static void prefetch(const Ahead& ahead) {
    for (int64_t at = 0; at < ahead.bytes; at += 64) __builtin_prefetch(ahead.from + at, 0, 2);
  }

  /// What does not change from piece to piece. (A fresh Tile for each tile would cost a twentieth of the time.)
  void place(Tile& t, const Block& block, int64_t panel, int64_t row, int64_t row_end) const {
    const int64_t first = panel * kPanel;
    const int64_t rows = block.row_end - block.row_begin;
    const int64_t scratch = ((panel - block.panel_begin) * rows + row - block.row_begin) * kPanelStepBytes;
    t.a_stride = a_.row_bytes;
    t.rows = static_cast<int>(row_end - row);
    t.acc = w_.cut ? block.acc + scratch : block.acc;
    t.totals = reinterpret_cast<float*>(block.totals + scratch);
    t.y = y_ + row * stride_ + first;
    t.y_stride = stride_;
    t.columns = static_cast<int>(std::min<int64_t>(kPanel, w_.n - first));
    t.bias = bias_ ? bias_ + first : nullptr;
  }

  void tile(Tile& t, const Block& block, const Chunk& chunk, int64_t panel, const std::byte* weight, int64_t row,
            int64_t row_end) const {
    place(t, block, panel, row, row_end);
    for (int64_t i = 0; i < chunk.pieces; ++i) {
      const Piece& piece = w_.pieces[static_cast<size_t>(chunk.first_piece + i)];
      t.a = a_.rows + row * a_.row_bytes + piece.first_step * kStepBytes;
      t.w = weight + (piece.first_step - chunk.first_step) * kPanelStepBytes;
      t.steps = piece.steps;
      t.streams = x_.m <= kTileRows;
      t.begins = piece.begins;
      t.ends = piece.ends;
      if (t.begins || t.ends) corrections(t, panel, row, piece.segment);
      kernels_.tile(t);
    }
  }

  /// One tile of tokens and codes to widen: a little at a time, so that memory is read while it is multiplied, and of
  /// several panels at a time where a token or three would have too few sums under way.
  void strip(const Block& block, const Chunk& chunk, const Buffer& widened) const {
    const auto panels = static_cast<int>(block.panel_end - block.panel_begin);
    const int64_t turn = panels == 1 ? 2 * kStripSteps : kStripSteps;
    const int64_t bytes = kEncodingStepBytes[static_cast<int>(w_.encoding)];
    Tile t;
    place(t, block, block.panel_begin, block.row_begin, block.row_end);
    t.acc = block.acc;
    for (int64_t i = 0; i < chunk.pieces; ++i) {
      const Piece& piece = w_.pieces[static_cast<size_t>(chunk.first_piece + i)];
      for (int64_t at = 0; at < piece.steps; at += turn) {
        t.steps = std::min(turn, piece.steps - at);
        for (int p = 0; p < panels; ++p) {
          const std::byte* codes =
              w_.codes.data() + ((block.panel_begin + p) * w_.steps + piece.first_step + at) * bytes;
          prefetch({codes + kStripAhead, t.steps * bytes});
          kernels_.widen({w_.encoding, codes, t.steps, &w_.table, widened.data() + p * kStripStride});
        }
        t.a = a_.rows + block.row_begin * a_.row_bytes + (piece.first_step + at) * kStepBytes;
        t.w = widened.data();
        t.w_stride = kStripStride;
        t.panels = panels;
        t.begins = piece.begins && at == 0;
        t.ends = false;
        kernels_.tile(t);
      }
      if (piece.ends) end_strip(block, piece.segment);
    }
  }

  void end_strip(const Block& block, int64_t segment) const {
    Tile t;
    for (int64_t p = block.panel_begin; p < block.panel_end; ++p) {
      place(t, block, p, block.row_begin, block.row_end);
      t.acc = block.acc + (p - block.panel_begin) * t.rows * kPanelStepBytes;
      t.ends = true;
      corrections(t, p, block.row_begin, segment);
      kernels_.tile(t);
    }
  }

  void corrections(Tile& t, int64_t panel, int64_t row, int64_t segment) const {
    const Segment& s = w_.segments[static_cast<size_t>(segment)];
    const auto segments = static_cast<int64_t>(w_.segments.size());
    const int64_t group = (panel * w_.weight_groups + s.weight_group) * kPanel;
    t.first = segment == 0;
    t.last = segment + 1 == segments;
    t.weight_scales = w_.scales.as<float>() + group;
    t.zero_points = w_.zero_points.bytes() ? w_.zero_points.as<int32_t>() + group : nullptr;
    t.column_offsets =
        w_.column_offsets.bytes() ? w_.column_offsets.as<int32_t>() + (panel * segments + segment) * kPanel : nullptr;
    t.row_sums = a_.sums ? static_cast<const std::byte*>(a_.sums) + (segment * x_.m + row) * 4 : nullptr;
    t.input_scales = x_.groups == 0 ? ones_ : x_.scales.as<float>() + s.input_group * x_.m + row;
  }

  const GemmKernels& kernels_;
  const PreparedInput::Layout& x_;
  const PackedWeight::Layout& w_;
  const Operand& a_;
  const float* bias_;
  float* y_;
  int64_t stride_;
  float ones_[kPanel];
};

}  // namespace

void gemm_with(const GemmKernels& kernels, const PreparedInput::Layout& x, const PackedWeight::Layout& w,
               const float* bias, float* y, int64_t stride, Threads& threads) {
  if (x.k != w.k) fail("an input of {} columns cannot meet a weight of {}", x.k, w.k);
  if (!(x.format == w.input))
    fail("an input was prepared for another format than the weight [{}, {}] was packed for", w.n, w.k);
  if (x.m == 0) return;

  thread_local Buffer copy, sums;
  Operand a{x.rows.data(), x.row_bytes, nullptr};
  if (w.ragged || w.arithmetic != x.held) rearrange(x, w, threads, copy, a);
  if (w.arithmetic == Arithmetic::int8 && x.sum_segments == static_cast<int64_t>(w.segments.size())) {
    a.sums = x.sums.data();
  } else if (w.arithmetic == Arithmetic::int8 || w.zero_points.bytes()) {
    sum_rows(x, w, threads, sums);
    a.sums = sums.data();
  }

  const Product product(kernels, x, w, a, bias, y, stride);
  const Plan plan = plan_of(x.m, w.panels, wants_strips(x, w), threads.count());
  const int64_t grain = x.m > kTileRows ? 1 : divide_up(plan.tasks(), 8 * threads.count());
  threads.for_range(plan.tasks(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % plan.row_blocks * plan.block_rows, panel = i / plan.row_blocks * plan.block_panels;
      product.task(row, std::min(row + plan.block_rows, x.m), panel, std::min(panel + plan.block_panels, w.panels));
    }
  });
}

void gemm(const PreparedInput& x, const PackedWeight& w, const float* bias, float* y, int64_t stride,
          Threads& threads) {
  static WidenFunction* const widen = choose(widen_kernels()).run;
  static TileFunction* const tiles[] = {choose(tile_kernels(Arithmetic::int8)).run,
                                        choose(tile_kernels(Arithmetic::bf16)).run,
                                        choose(tile_kernels(Arithmetic::f32)).run};
  gemm_with({tiles[static_cast<int>(w.layout().arithmetic)], widen}, x.layout(), w.layout(), bias, y, stride, threads);
}

}  // namespace octet::kernels
