// A weight [N,K] becomes panels of kPanel channels, each a run of steps: what the tile reads lies in the order it reads
// it.
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "kernels/gemm/layout.h"

namespace octet::kernels {
namespace {

int bytes_per_code(Format format) {
  return format_info(format).bits / 8;
}

void check(const WeightSource& s, const InputFormat& input) {
  if (s.n < 1 || s.k < 1 || s.n > (int64_t{1} << 46) / s.k) fail("a weight of {} x {} cannot be packed", s.n, s.k);
  if (s.format == Format::E8M0) fail("a weight's codes cannot be E8M0: that is a format of scales");
  if (s.group < 0 || s.scale_rows < 1)
    fail("a weight's scales cannot cover {} rows and {} columns", s.scale_rows, s.group);
  if ((s.format == Format::CODEBOOK) != (s.table != nullptr))
    fail("a table belongs to a codebook, and to nothing else");
  if (s.zero_points && s.format != Format::INT8) fail("only INT8 weights have zero points");
  if (input.group < 0) fail("an input's scales cannot cover {} columns", input.group);
}

Encoding encoding_of(Arithmetic arithmetic, Format format) {
  const int bytes = bytes_per_code(format);
  if (arithmetic == Arithmetic::int8) return Encoding::direct;
  if (arithmetic == Arithmetic::bf16) return bytes == 1 ? Encoding::bytes_bf16 : Encoding::direct;
  if (format == Format::INT8) return Encoding::int8_f32;
  if (bytes == 1) return Encoding::bytes_f32;
  if (format == Format::BF16) return Encoding::bf16_f32;
  return format == Format::FP16 ? Encoding::fp16_f32 : Encoding::direct;
}

/// Codes are packed in cells: a few columns of all channels of a panel, which lie together for each channel.
struct Cell {
  int steps, run, bytes;  // columns as steps, bytes of one channel, bytes of all
  bool interleaved;       // as byte_position has it

  int64_t channel(int n) const { return interleaved ? byte_position(n, 0) : n * run; }
};

Cell cell_of(Encoding encoding, int code_bytes) {
  switch (encoding) {
    case Encoding::direct:
      return {1, 4, 128, false};
    case Encoding::bytes_bf16:
      return {1, 2, 64, true};
    case Encoding::bytes_f32:
      return {2, 2, 64, true};
    case Encoding::bf16_f32:
      return {2, 4, 128, false};
    case Encoding::int8_f32:
    case Encoding::fp16_f32:
      break;
  }
  return {1, code_bytes, code_bytes * kPanel, false};
}

template <typename Word>
void put_cells(const std::byte* codes, int64_t cells, std::byte* to, int64_t cell_bytes, uint32_t flips) {
  for (int64_t i = 0; i < cells; ++i) {
    Word word;
    std::memcpy(&word, codes + i * static_cast<int64_t>(sizeof word), sizeof word);
    word = static_cast<Word>(word ^ flips);
    std::memcpy(to + i * cell_bytes, &word, sizeof word);
  }
}

class Packer {
 public:
  Packer(const WeightSource& source, PackedWeight::Layout& layout)
      : s_(source), l_(layout), code_bytes_(bytes_per_code(source.format)), cell_(cell_of(l_.encoding, code_bytes_)) {
    const bool wants_offset_binary = l_.arithmetic == Arithmetic::int8;
    if (s_.format == Format::INT8 && wants_offset_binary != s_.offset_binary) flips_ = 0x80808080;
  }

  void panel(int64_t p) {
    const int64_t first = p * kPanel;
    const int channels = static_cast<int>(std::min<int64_t>(kPanel, s_.n - first));
    std::byte* to = l_.codes.data() + p * l_.steps * kEncodingStepBytes[static_cast<int>(l_.encoding)];
    if (channels < kPanel) std::memset(to, 0, static_cast<size_t>(l_.steps / cell_.steps * cell_.bytes));
    for (const Segment& segment : l_.segments) codes_of(segment, first, channels, to);
    scales(p, first, channels);
    if (l_.column_offsets.bytes()) offsets(p, first, channels);
  }

 private:
  /// In blocks of cells, so that the lines written stay in the first-level cache until all channels have been there.
  void codes_of(const Segment& segment, int64_t first, int channels, std::byte* panel) {
    constexpr int64_t kBlock = 16;
    std::byte* to = panel + segment.first_step / cell_.steps * cell_.bytes;
    const int64_t cells = segment.steps / cell_.steps, whole = segment.count * code_bytes_ / cell_.run;
    for (int64_t begin = 0; begin < whole; begin += kBlock) {
      const int64_t count = std::min(kBlock, whole - begin);
      for (int n = 0; n < channels; ++n) {
        const std::byte* codes = s_.codes + ((first + n) * s_.k + segment.begin) * code_bytes_ + begin * cell_.run;
        std::byte* at = to + begin * cell_.bytes + cell_.channel(n);
        if (cell_.run == 4) put_cells<uint32_t>(codes, count, at, cell_.bytes, flips_);
        if (cell_.run == 2) put_cells<uint16_t>(codes, count, at, cell_.bytes, flips_);
        if (cell_.run == 1) put_cells<uint8_t>(codes, count, at, cell_.bytes, flips_);
      }
    }
    std::memset(to + whole * cell_.bytes, 0, static_cast<size_t>((cells - whole) * cell_.bytes));
    const int64_t rest = segment.count * code_bytes_ - whole * cell_.run;
    for (int n = 0; n < channels && rest > 0; ++n) {
      const std::byte* codes = s_.codes + ((first + n) * s_.k + segment.begin) * code_bytes_ + whole * cell_.run;
      std::byte* at = to + whole * cell_.bytes + cell_.channel(n);
      for (int64_t i = 0; i < rest; ++i) at[i] = codes[i] ^ static_cast<std::byte>(flips_);
    }
  }

  int64_t scale_index(int64_t n, int64_t group) const { return n / s_.scale_rows * l_.weight_groups + group; }

  void scales(int64_t p, int64_t first, int channels) {
    for (int64_t g = 0; g < l_.weight_groups; ++g) {
      const int64_t at = (p * l_.weight_groups + g) * kPanel;
      for (int n = 0; n < kPanel; ++n) {
        const bool real = n < channels;
        l_.scales.as<float>()[at + n] = real && s_.scales ? s_.scales[scale_index(first + n, g)] : 1.0f;
        if (s_.zero_points) l_.zero_points.as<int32_t>()[at + n] = real ? s_.zero_points[scale_index(first + n, g)] : 0;
      }
    }
  }

  /// The part of sum (code - zero point) (q - zx) that does not depend on the input: -zx · sum (code - zero point).
  void offsets(int64_t p, int64_t first, int channels) {
    const auto* codes = reinterpret_cast<const uint8_t*>(s_.codes);
    const int flip = s_.offset_binary ? 0x80 : 0;
    for (size_t i = 0; i < l_.segments.size(); ++i) {
      const Segment& segment = l_.segments[i];
      int32_t* to = l_.column_offsets.as<int32_t>() +
                    (p * static_cast<int64_t>(l_.segments.size()) + static_cast<int64_t>(i)) * kPanel;
      std::fill(to, to + kPanel, 0);
      for (int n = 0; n < channels; ++n) {
        const uint8_t* row = codes + (first + n) * s_.k + segment.begin;
        int64_t sum = 0;
        for (int64_t k = 0; k < segment.count; ++k) sum += static_cast<int8_t>(static_cast<uint8_t>(row[k] ^ flip));
        if (s_.zero_points) sum -= segment.count * s_.zero_points[scale_index(first + n, segment.weight_group)];
        to[n] = static_cast<int32_t>(-l_.input.zero_point * sum);
      }
    }
  }

  const WeightSource& s_;
  PackedWeight::Layout& l_;
  int code_bytes_;
  Cell cell_;
  uint32_t flips_ = 0;
};

}  // namespace

namespace {

/// Whether a and b are whole segments of equal steps.
bool alike(const Piece& a, const Piece& b) {
  return a.steps == b.steps && a.steps % kQuad == 0 && a.begins && a.ends && b.begins && b.ends;
}

/// Whether the scales' groups advance from a to b as from b to c.
bool even(const Segment& a, const Segment& b, const Segment& c) {
  return b.weight_group - a.weight_group == c.weight_group - b.weight_group &&
         b.input_group - a.input_group == c.input_group - b.input_group;
}

void find_runs(PackedWeight::Layout& l) {
  for (const Chunk& chunk : l.chunks) {
    for (int64_t i = chunk.pieces - 2; i >= 0; --i) {
      Piece* piece = &l.pieces[static_cast<size_t>(chunk.first_piece + i)];
      if (!alike(piece[0], piece[1])) continue;
      const Segment* segment = &l.segments[static_cast<size_t>(piece->segment)];
      piece->run = piece[1].run == 1 || even(segment[0], segment[1], segment[2]) ? piece[1].run + 1 : 2;
    }
  }
}

}  // namespace

void plan_pieces(PackedWeight::Layout& l) {
  l.pieces.clear();
  l.chunks.clear();
  l.cut = false;
  for (size_t i = 0; i < l.segments.size(); ++i) {
    const Segment& s = l.segments[i];
    for (int64_t at = 0; at < s.steps;) {
      const bool fits = !l.chunks.empty() && (s.steps <= kChunkSteps - l.chunks.back().steps);
      if (!fits) l.chunks.push_back({static_cast<int64_t>(l.pieces.size()), 0, s.first_step + at, 0});
      Chunk& chunk = l.chunks.back();
      const int64_t steps = std::min(s.steps - at, kChunkSteps - chunk.steps);
      l.pieces.push_back({static_cast<int64_t>(i), s.first_step + at, steps, at == 0, at + steps == s.steps});
      ++chunk.pieces;
      l.cut |= steps != s.steps;
      chunk.steps += steps;
      at += steps;
    }
  }
  find_runs(l);
}

void fill_table(Format format, CodeTable& table, const float* codebook) {
  table.int8 = format == Format::INT8;
  table.symmetric = true;
  for (uint32_t code = 0; code < 256; ++code) {
    const auto signed_code = static_cast<int8_t>(static_cast<uint8_t>(code));
    const float value = codebook     ? codebook[code]
                        : table.int8 ? int8_to_float(signed_code)
                                     : format_info(format).decode(code);
    table.values[code] = float_to_bf16(value);
    table.low[code] = static_cast<uint8_t>(table.values[code]);
    table.high[code] = static_cast<uint8_t>(table.values[code] >> 8);
    if (code >= 128) table.symmetric &= table.values[code] == (table.values[code - 128] | 0x8000);
  }
  table.shift = std::countr_zero(static_cast<uint32_t>(table.values[17] - table.values[16]) | 0x80);
  table.offset = table.values[16] - (16 << table.shift);
  table.linear = table.symmetric;
  for (int i = 8; i < 120; ++i) table.linear &= table.values[i] == (i << table.shift) + table.offset;
}

void pack(PackedWeight::Layout& l, const WeightSource& source, const InputFormat& input, Threads& threads,
          Arithmetic wide) {
  check(source, input);
  l.n = source.n;
  l.k = source.k;
  l.input = input;
  l.arithmetic = arithmetic_of(input, source.format, wide);
  l.encoding = encoding_of(l.arithmetic, source.format);
  const bool scaled = source.scales || source.zero_points;
  const int64_t group = scaled && source.group > 0 ? std::min(source.group, l.k) : l.k;
  l.weight_groups = (l.k + group - 1) / group;
  l.segments = segments_of(l.k, group, scale_group(input), l.arithmetic);
  l.steps = l.segments.back().first_step + l.segments.back().steps;
  const Segment whole = segments_of(l.k, 0, 0, l.arithmetic).back();
  l.ragged = l.steps != whole.first_step + whole.steps;
  l.panels = (l.n + kPanel - 1) / kPanel;
  plan_pieces(l);
  if (bytes_per_code(source.format) == 1) fill_table(source.format, l.table, source.table);

  l.codes.grow(static_cast<size_t>(l.panels * l.steps * kEncodingStepBytes[static_cast<int>(l.encoding)]));
  l.scales.grow(static_cast<size_t>(l.panels * l.weight_groups * kPanel) * sizeof(float));
  if (source.zero_points)
    l.zero_points.grow(static_cast<size_t>(l.panels * l.weight_groups * kPanel) * sizeof(int32_t));
  if (l.arithmetic == Arithmetic::int8 && input.zero_point != 0) {
    l.column_offsets.grow(static_cast<size_t>(l.panels) * l.segments.size() * kPanel * sizeof(int32_t));
  }
  Packer packer(source, l);
  threads.for_range(l.panels, 4, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) packer.panel(p);
  });
}

PackedWeight::PackedWeight(const WeightSource& source, const InputFormat& input, Threads& threads)
    : layout_(std::make_unique<Layout>()) {
  pack(*layout_, source, input, threads);
}

PackedWeight::~PackedWeight() = default;
PackedWeight::PackedWeight(PackedWeight&&) noexcept = default;
PackedWeight& PackedWeight::operator=(PackedWeight&&) noexcept = default;

size_t PackedWeight::bytes() const {
  const Layout& l = *layout_;
  return l.codes.bytes() + l.scales.bytes() + l.zero_points.bytes() + l.column_offsets.bytes() +
         l.segments.size() * sizeof(Segment) + l.pieces.size() * sizeof(Piece) + l.chunks.size() * sizeof(Chunk);
}
int64_t PackedWeight::n() const {
  return layout_->n;
}
int64_t PackedWeight::k() const {
  return layout_->k;
}
const InputFormat& PackedWeight::input() const {
  return layout_->input;
}

}  // namespace octet::kernels
