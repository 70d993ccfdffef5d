// A weight [N,K] becomes panels of kPanel channels, each a run of steps: what the tile reads lies in the order it reads
// it.
#include <algorithm>
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
  if (s.zero_points && s.format != Format::INT8) fail("only INT8 weights have zero points");
  if (input.group < 0) fail("an input's scales cannot cover {} columns", input.group);
}

Encoding encoding_of(Arithmetic arithmetic, Format format) {
  const int bytes = bytes_per_code(format);
  if (arithmetic == Arithmetic::int8) return Encoding::direct;
  if (arithmetic == Arithmetic::bf16) return bytes == 1 ? Encoding::bytes_bf16 : Encoding::direct;
  if (bytes == 1) return Encoding::bytes_f32;
  if (format == Format::BF16) return Encoding::bf16_f32;
  return format == Format::FP16 ? Encoding::fp16_f32 : Encoding::direct;
}

void fill_table(Format format, uint16_t* table) {
  for (uint32_t code = 0; code < 256; ++code) {
    const auto signed_code = static_cast<int8_t>(static_cast<uint8_t>(code));
    table[code] = float_to_bf16(format == Format::INT8 ? int8_to_float(signed_code) : format_info(format).decode(code));
  }
}

/// Cuts the segments into pieces, and gathers pieces into chunks of at most kChunkSteps.
void plan_chunks(PackedWeight::Layout& l) {
  for (size_t i = 0; i < l.segments.size(); ++i) {
    const Segment& s = l.segments[i];
    for (int64_t at = 0; at < s.steps;) {
      const bool fits = !l.chunks.empty() && (s.steps <= kChunkSteps - l.chunks.back().steps);
      if (!fits) l.chunks.push_back({static_cast<int64_t>(l.pieces.size()), 0, s.first_step + at, 0});
      Chunk& chunk = l.chunks.back();
      const int64_t steps = std::min(s.steps - at, kChunkSteps - chunk.steps);
      l.pieces.push_back({static_cast<int64_t>(i), s.first_step + at, steps, at == 0, at + steps == s.steps});
      ++chunk.pieces;
      chunk.steps += steps;
      at += steps;
    }
  }
}

/// Puts the codes of up to `run` bytes, one step of one channel, where the tile or the widening reads them.
struct Placement {
  Encoding encoding;
  int step_bytes;  // of a panel
  int run;         // bytes of one channel in one step

  void put(std::byte* step, int n, const std::byte* codes, int bytes, std::byte flip) const {
    std::byte* to = step + n * run;
    if (encoding == Encoding::bytes_bf16) to = step + byte_position(n, 0);
    for (int i = 0; i < bytes; ++i) to[i] = codes[i] ^ flip;
  }
};

template <int kRun>
void put_whole_steps(const std::byte* codes, int64_t steps, std::byte* to, int64_t step_bytes, std::byte flip) {
  std::byte mask[kRun];
  std::fill(mask, mask + kRun, flip);
  using Word = std::conditional_t<kRun == 4, uint32_t, std::conditional_t<kRun == 2, uint16_t, uint8_t>>;
  Word word, flips;
  std::memcpy(&flips, mask, kRun);
  for (int64_t s = 0; s < steps; ++s) {
    std::memcpy(&word, codes + s * kRun, kRun);
    word = static_cast<Word>(word ^ flips);
    std::memcpy(to + s * step_bytes, &word, kRun);
  }
}

class Packer {
 public:
  Packer(const WeightSource& source, PackedWeight::Layout& layout) : s_(source), l_(layout) {
    place_.encoding = l_.encoding;
    place_.step_bytes = kEncodingStepBytes[static_cast<int>(l_.encoding)];
    code_bytes_ = bytes_per_code(s_.format);
    place_.run = code_bytes_ * elements_of_step(l_.arithmetic);
    if (l_.arithmetic == Arithmetic::int8 && !s_.offset_binary) flip_ = std::byte{0x80};
    if (l_.arithmetic != Arithmetic::int8 && s_.offset_binary) flip_ = std::byte{0x80};
  }

  void panel(int64_t p) {
    const int64_t first = p * kPanel;
    const int channels = static_cast<int>(std::min<int64_t>(kPanel, s_.n - first));
    std::byte* to = l_.codes.data() + p * l_.steps * place_.step_bytes;
    if (channels < kPanel) std::memset(to, 0, static_cast<size_t>(l_.steps * place_.step_bytes));
    for (const Segment& segment : l_.segments) codes_of(segment, first, channels, to);
    scales(p, first, channels);
    if (l_.column_offsets.bytes()) offsets(p, first, channels);
  }

 private:
  /// In blocks of steps, so that the lines written stay in the first-level cache until all channels have been there.
  void codes_of(const Segment& segment, int64_t first, int channels, std::byte* panel) {
    constexpr int64_t kBlock = 16;
    const int64_t whole = segment.count * code_bytes_ / place_.run;
    for (int64_t begin = 0; begin < whole; begin += kBlock) {
      const int64_t steps = std::min(kBlock, whole - begin);
      std::byte* to = panel + (segment.first_step + begin) * place_.step_bytes;
      for (int n = 0; n < channels; ++n) {
        const std::byte* codes = s_.codes + ((first + n) * s_.k + segment.begin) * code_bytes_ + begin * place_.run;
        std::byte* at = to + (l_.encoding == Encoding::bytes_bf16 ? byte_position(n, 0) : n * place_.run);
        if (place_.run == 4) put_whole_steps<4>(codes, steps, at, place_.step_bytes, flip_);
        if (place_.run == 2) put_whole_steps<2>(codes, steps, at, place_.step_bytes, flip_);
        if (place_.run == 1) put_whole_steps<1>(codes, steps, at, place_.step_bytes, flip_);
      }
    }
    const auto rest = static_cast<int>(segment.count * code_bytes_ - whole * place_.run);
    if (rest == 0) return;
    std::byte* last = panel + (segment.first_step + whole) * place_.step_bytes;
    std::memset(last, 0, static_cast<size_t>(place_.step_bytes));
    for (int n = 0; n < channels; ++n) {
      const std::byte* codes = s_.codes + ((first + n) * s_.k + segment.begin) * code_bytes_ + whole * place_.run;
      place_.put(last, n, codes, rest, flip_);
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
  Placement place_{};
  int code_bytes_ = 1;
  std::byte flip_{0};
};

}  // namespace

PackedWeight::PackedWeight(const WeightSource& source, const InputFormat& input, Threads& threads)
    : layout_(std::make_unique<Layout>()) {
  check(source, input);
  Layout& l = *layout_;
  l.n = source.n;
  l.k = source.k;
  l.input = input;
  l.arithmetic = arithmetic_of(input, source.format);
  l.encoding = encoding_of(l.arithmetic, source.format);
  const bool scaled = source.scales || source.zero_points;
  const int64_t group = scaled && source.group > 0 ? std::min(source.group, l.k) : l.k;
  l.weight_groups = (l.k + group - 1) / group;
  l.segments = segments_of(l.k, group, held_as(input) == Arithmetic::f32 ? 0 : input.group, l.arithmetic);
  l.steps = l.segments.back().first_step + l.segments.back().steps;
  l.ragged = l.steps != (l.k + elements_of_step(l.arithmetic) - 1) / elements_of_step(l.arithmetic);
  l.panels = (l.n + kPanel - 1) / kPanel;
  plan_chunks(l);
  if (bytes_per_code(source.format) == 1) fill_table(source.format, l.table);

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
