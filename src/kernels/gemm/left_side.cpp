#include "kernels/gemm/left_side.h"

#include <cstring>

namespace octet::kernels {
namespace {

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
               LeftSide& a) {
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

}  // namespace

LeftSide left_side(const PreparedInput::Layout& x, const PackedWeight::Layout& w, Threads& threads) {
  thread_local Buffer copy, sums;
  LeftSide a{x.rows.data(), x.row_bytes, nullptr};
  if (w.ragged || w.arithmetic != x.held) rearrange(x, w, threads, copy, a);
  if (w.arithmetic == Arithmetic::int8 && x.sum_segments == static_cast<int64_t>(w.segments.size())) {
    a.sums = x.sums.data();
  } else if (w.arithmetic == Arithmetic::int8 || w.zero_points.bytes()) {
    sum_rows(x, w, threads, sums);
    a.sums = sums.data();
  }
  return a;
}

}  // namespace octet::kernels
