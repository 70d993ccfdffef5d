// The plain versions: what every other tile is tested against.
#include <cmath>
#include <cstring>

#include "kernels/gemm/tile.h"
#include "numeric/formats.h"

namespace octet::kernels {
namespace {

void multiply_step(const std::byte* a, const std::byte* w, int32_t& acc) {
  const auto* q = reinterpret_cast<const int8_t*>(a);
  const auto* code = reinterpret_cast<const uint8_t*>(w);
  uint32_t sum = static_cast<uint32_t>(acc);  // unsigned: what wraps here comes back with the correction
  for (int i = 0; i < 4; ++i) sum += static_cast<uint32_t>(q[i] * code[i]);
  acc = static_cast<int32_t>(sum);
}

struct Bf16Step {
  float operator()(const std::byte* a, const std::byte* w, float acc) const {
    uint16_t x[2], c[2];
    std::memcpy(x, a, 4);
    std::memcpy(c, w, 4);
    for (int i = 0; i < 2; ++i) acc += bf16_to_float(x[i]) * bf16_to_float(c[i]);
    return acc;
  }
};

struct F32Step {
  float operator()(const std::byte* a, const std::byte* w, float acc) const {
    float x, c;
    std::memcpy(&x, a, 4);
    std::memcpy(&c, w, 4);
    return acc + x * c;
  }
};

void add_to_total(const Tile& t, int row, int n, float value) {
  float& total = t.last ? t.y[row * t.y_stride + n] : t.totals[row * kPanel + n];
  const float before = !t.first ? t.totals[row * kPanel + n] : t.bias ? t.bias[n] : 0.0f;
  total = std::fma(value, t.input_scales[row] * t.weight_scales[n], before);
}

/// One panel of a strip.
Tile panel_of(Tile t, int panel) {
  t.w += panel * t.w_stride;
  t.acc = static_cast<std::byte*>(t.acc) + panel * t.rows * kPanelStepBytes;
  t.panels = 1;
  return t;
}

template <typename Step>
void float_tile(const Tile& t, Step step) {
  for (int p = 0; p < t.panels && t.panels > 1; ++p) float_tile(panel_of(t, p), step);
  if (t.panels > 1) return;
  for (int row = 0; row < t.rows; ++row) {
    float* acc = static_cast<float*>(t.acc) + row * kPanel;
    for (int n = 0; n < kPanel; ++n) {
      float sum = t.begins ? 0.0f : acc[n];
      for (int64_t s = 0; s < t.steps; ++s) {
        sum = step(t.a + row * t.a_stride + s * kStepBytes, t.w + (s * kPanel + n) * kStepBytes, sum);
      }
      acc[n] = sum;
      if (!t.ends || n >= t.columns) continue;
      if (t.zero_points) {
        const float row_sum = static_cast<const float*>(t.row_sums)[row];
        sum = std::fma(-static_cast<float>(t.zero_points[n]), row_sum, sum);
      }
      add_to_total(t, row, n, sum);
    }
  }
}

}  // namespace

void int8_tile__reference(const Tile& t) {
  for (int row = 0; row < t.rows; ++row) {
    int32_t* acc = static_cast<int32_t*>(t.acc) + row * kPanel;
    const auto row_sum = t.ends ? static_cast<uint32_t>(static_cast<const int32_t*>(t.row_sums)[row]) : 0;
    for (int n = 0; n < kPanel; ++n) {
      if (t.begins) acc[n] = 0;
      for (int64_t s = 0; s < t.steps; ++s) {
        multiply_step(t.a + row * t.a_stride + s * kStepBytes, t.w + (s * kPanel + n) * kStepBytes, acc[n]);
      }
      if (!t.ends || n >= t.columns) continue;
      const auto offset = static_cast<uint32_t>(128 + (t.zero_points ? t.zero_points[n] : 0));
      const auto column = static_cast<uint32_t>(t.column_offsets ? t.column_offsets[n] : 0);
      const auto sum = static_cast<int32_t>(static_cast<uint32_t>(acc[n]) - offset * row_sum + column);
      add_to_total(t, row, n, static_cast<float>(sum));
    }
  }
}

void bf16_tile__reference(const Tile& t) {
  float_tile(t, Bf16Step{});
}

void f32_tile__reference(const Tile& t) {
  float_tile(t, F32Step{});
}

}  // namespace octet::kernels
