#include <cstring>

#include "kernels/gemm/tile.h"
#include "numeric/formats.h"

namespace octet::kernels {

void widen__reference(const Widen& work) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(work.codes);
  const auto* words = reinterpret_cast<const uint16_t*>(work.codes);
  auto* bf16 = reinterpret_cast<uint16_t*>(work.out);
  auto* f32 = reinterpret_cast<float*>(work.out);
  for (int64_t s = 0; s < work.steps; ++s) {
    for (int n = 0; n < kPanel; ++n) {
      switch (work.encoding) {
        case Encoding::direct:
          std::memcpy(work.out + (s * kPanel + n) * kStepBytes, work.codes + (s * kPanel + n) * kStepBytes, kStepBytes);
          break;
        case Encoding::bytes_bf16:
          for (int half = 0; half < 2; ++half) {
            bf16[(s * kPanel + n) * 2 + half] = work.table[bytes[s * 64 + byte_position(n, half)]];
          }
          break;
        case Encoding::bytes_f32:
          f32[s * kPanel + n] = bf16_to_float(work.table[bytes[s * kPanel + n]]);
          break;
        case Encoding::bf16_f32:
          f32[s * kPanel + n] = bf16_to_float(words[s * kPanel + n]);
          break;
        case Encoding::fp16_f32:
          f32[s * kPanel + n] = fp16_to_float(words[s * kPanel + n]);
          break;
      }
    }
  }
}

}  // namespace octet::kernels
