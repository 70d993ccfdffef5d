#include <cstring>

#include "kernels/gemm/tile.h"
#include "numeric/formats.h"

namespace octet::kernels {
namespace {

/// The number in step s for channel n of an encoding that ends in F32.
float value_at(const Widen& work, int64_t s, int n) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(work.codes);
  const auto* words = reinterpret_cast<const uint16_t*>(work.codes);
  switch (work.encoding) {
    case Encoding::bytes_f32:
      return bf16_to_float(work.table->values[bytes[s / 2 * 64 + byte_position(n, static_cast<int>(s % 2))]]);
    case Encoding::int8_f32:
      return int8_to_float(static_cast<int8_t>(bytes[s * kPanel + n]));
    case Encoding::bf16_f32:
      return bf16_to_float(words[(s / 2 * kPanel + n) * 2 + s % 2]);
    default:
      return fp16_to_float(words[s * kPanel + n]);
  }
}

}  // namespace

void widen__reference(const Widen& work) {
  if (work.encoding == Encoding::direct) {
    std::memcpy(work.out, work.codes, static_cast<size_t>(work.steps * kPanelStepBytes));
    return;
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(work.codes);
  for (int64_t s = 0; s < work.steps; ++s) {
    for (int n = 0; n < kPanel; ++n) {
      if (work.encoding == Encoding::bytes_bf16) {
        auto* to = reinterpret_cast<uint16_t*>(work.out) + (s * kPanel + n) * 2;
        for (int half = 0; half < 2; ++half) to[half] = work.table->values[bytes[s * 64 + byte_position(n, half)]];
      } else {
        reinterpret_cast<float*>(work.out)[s * kPanel + n] = value_at(work, s, n);
      }
    }
  }
}

}  // namespace octet::kernels
