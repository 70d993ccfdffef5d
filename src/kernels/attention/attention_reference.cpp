#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/attention/attention_kernel.h"
#include "numeric/formats.h"

namespace octet::kernels {
namespace {

float decode(Stored stored, const void* panel, int64_t i) {
  const auto* bytes = static_cast<const unsigned char*>(panel);
  if (stored == Stored::e4m3) return e4m3_to_float(bytes[i]);
  if (stored == Stored::int8) return int8_to_float(static_cast<int8_t>(bytes[i]));
  uint16_t code;
  std::memcpy(&code, bytes + 2 * i, sizeof code);
  return bf16_to_float(code);
}

void to_f32(Stored stored, const void* panel, int64_t depth, int64_t width, float* out) {
  for (int64_t row = 0; row < depth; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      out[row * width + column] = decode(stored, panel, (row / 2 * width + column) * 2 + row % 2);
    }
  }
}

void round(const float* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = bf16_to_float(float_to_bf16(x[i]));
}

void product(const float* a, int64_t a_stride, const float* b, int64_t depth, int64_t width, int64_t rows, float* c,
             int64_t c_stride, const float* correction, const char* /*ahead*/, int64_t /*ahead_step*/) {
  for (int64_t row = 0; row < rows; ++row, a += a_stride, c += c_stride) {
    for (int64_t column = 0; column < width; ++column) {
      float sum = correction ? c[column] * correction[row] : 0.0f;
      for (int64_t k = 0; k < depth; ++k) sum += a[k] * b[k * width + column];
      c[column] = sum;
    }
  }
}

void softmax(const SoftmaxRow& row) {
  float max = *row.max;
  for (int64_t j = row.begin; j < row.end; ++j) {
    row.scores[j] *= row.k_scales ? row.factor * row.k_scales[j] : row.factor;
    if (row.scores[j] > max) max = row.scores[j];
  }
  // While every score is -infinity the weights are exp(-infinity) = 0, not NaN.
  const float offset = max == -std::numeric_limits<float>::infinity() ? 0.0f : max;
  float sum = 0;
  for (int64_t j = 0; j < kBlockKeys; ++j) {
    const bool seen = j >= row.begin && j < row.end;
    const float p = seen ? std::exp(row.scores[j] - offset) : 0.0f;
    sum += p;
    row.scores[j] = seen && row.v_scales ? p * row.v_scales[j] : p;
  }
  *row.correction = std::exp(*row.max - offset);
  *row.sum = *row.sum * *row.correction + sum;
  *row.max = max;
}

}  // namespace

const AttentionKernel kAttentionReference = {to_f32, nullptr, round, product, nullptr, softmax};

}  // namespace octet::kernels
