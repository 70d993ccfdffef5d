#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/gemm/layout.h"
#include "kernels/quantize/quantize.h"

namespace octet::kernels {
namespace {

RowFormat row_format(Format format) {
  switch (format) {
    case Format::F32:
      return RowFormat::f32;
    case Format::BF16:
      return RowFormat::bf16;
    case Format::INT8:
      return RowFormat::int8;
    case Format::E4M3:
      return RowFormat::e4m3;
    case Format::E5M2:
      return RowFormat::e5m2;
    default:
      fail("the input of a product can be F32, BF16, INT8, E4M3 or E5M2, not {}", format_info(format).name);
  }
}

int64_t element_bytes(const PreparedInput::Layout& l) {
  return kStepBytes / elements_of_step(l.held);
}

/// Shapes the layout and grows its memory.
void shape(PreparedInput::Layout& l, int64_t m, int64_t k, const InputFormat& format,
           Arithmetic wide = bf16_arithmetic()) {
  const RowFormat row = row_format(format.format);
  if (m < 0 || k < 1 || format.group < 0 || m > (int64_t{1} << 40) / k)
    fail("an input of {} x {} cannot be prepared", m, k);
  if (format.e8m0 && row == RowFormat::int8) fail("INT8 inputs have no power-of-two scales");
  const bool scaled = row != RowFormat::f32 && row != RowFormat::bf16;
  const int64_t group = scale_group(format) > 0 ? std::min(format.group, k) : k;
  l.format = format;
  l.held = held_as(format, wide);
  l.m = m;
  l.k = k;
  l.groups = !scaled ? 0 : format.scale > 0 ? 1 : (k + group - 1) / group;
  const int64_t bytes = k * element_bytes(l);
  // An odd number of cache lines: rows of a power of two would all fall into the same few sets of the cache.
  l.row_bytes = ((bytes + 63) / 64 | 1) * 64;
  l.rows.grow(static_cast<size_t>(m * l.row_bytes));
  l.scales.grow(static_cast<size_t>(m * l.groups + kReadable) * sizeof(float));
  l.sum_segments = 0;
  if (row != RowFormat::int8) return;
  l.sum_segments = static_cast<int64_t>(segments_of(k, 0, scale_group(format), Arithmetic::int8).size());
  l.sums.grow(static_cast<size_t>(m * l.sum_segments + kReadable) * sizeof(int32_t));
}

/// One row, x [K], into its place.
void put_row(const PreparedInput::Layout& l, const std::vector<Segment>& segments, int64_t m, const float* x) {
  const RowFormat format = row_format(l.format.format);
  std::byte* out = l.rows.data() + m * l.row_bytes;
  const int64_t group = scale_group(l.format) > 0 ? std::min(l.format.group, l.k) : l.k;
  thread_local Buffer scales;
  scales.grow(static_cast<size_t>(l.groups) * sizeof(float));
  quantize_row({x, l.k, format, group, l.format.e8m0, l.format.scale, l.format.zero_point, l.held == Arithmetic::f32,
                out, scales.as<float>()});
  for (int64_t g = 0; g < l.groups; ++g) {
    l.scales.as<float>()[g * l.m + m] = l.format.scale > 0 ? l.format.scale : scales.as<float>()[g];
  }
  const int64_t used = l.k * element_bytes(l);
  std::memset(out + used, 0, static_cast<size_t>(l.row_bytes - used));
  for (size_t i = 0; i < segments.size(); ++i) {
    l.sums.as<int32_t>()[static_cast<int64_t>(i) * l.m + m] =
        sum_codes(reinterpret_cast<const int8_t*>(out) + segments[i].begin, segments[i].count);
  }
}

std::vector<Segment> sum_segments(const PreparedInput::Layout& l) {
  if (l.sum_segments == 0) return {};
  return segments_of(l.k, 0, scale_group(l.format), Arithmetic::int8);
}

constexpr int64_t kRowsAtOnce = 4;

/// Rows made by `make` into scratch that stays in the cache, then put.
template <typename Make>
void put_made_rows(const PreparedInput::Layout& l, Threads& threads, const Make& make) {
  const auto segments = sum_segments(l);
  threads.for_range(l.m, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    thread_local Buffer scratch;
    scratch.grow(static_cast<size_t>(l.k) * sizeof(float));
    for (int64_t m = begin; m < end; ++m) {
      make(m, scratch.as<float>());
      put_row(l, segments, m, scratch.as<float>());
    }
  });
}

}  // namespace

PreparedInput::PreparedInput() : layout_(std::make_unique<Layout>()) {}
PreparedInput::~PreparedInput() = default;
PreparedInput::PreparedInput(PreparedInput&&) noexcept = default;
PreparedInput& PreparedInput::operator=(PreparedInput&&) noexcept = default;

void prepare(PreparedInput::Layout& l, const float* x, int64_t m, int64_t k, int64_t stride, const InputFormat& format,
             Threads& threads, Arithmetic wide) {
  shape(l, m, k, format, wide);
  const auto segments = sum_segments(l);
  threads.for_range(m, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) put_row(l, segments, row, x + row * stride);
  });
}

void PreparedInput::prepare(const float* x, int64_t m, int64_t k, int64_t stride, const InputFormat& format,
                            Threads& threads) {
  kernels::prepare(*layout_, x, m, k, stride, format, threads);
}

void PreparedInput::prepare_rms_norm(const float* x, int64_t m, int64_t k, const float* weight, float epsilon,
                                     const InputFormat& format, Threads& threads) {
  shape(*layout_, m, k, format);
  put_made_rows(*layout_, threads,
                [&](int64_t row, float* y) { rms_norm(x + row * k, 1, k, weight, epsilon, y, threads); });
}

void PreparedInput::prepare_swiglu(const float* gate, const float* up, int64_t m, int64_t k, int64_t stride,
                                   const InputFormat& format, Threads& threads) {
  shape(*layout_, m, k, format);
  put_made_rows(*layout_, threads,
                [&](int64_t row, float* y) { silu_multiply(gate + row * stride, up + row * stride, y, k); });
}

}  // namespace octet::kernels
