#include <immintrin.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {
namespace {

void int8_to_f32(const Widen& work) {
  for (int64_t i = 0; i < work.steps * 2; ++i) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(work.codes + i * 16));
    _mm512_store_ps(work.out + i * 64, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)));
  }
}

void fp16_to_f32(const Widen& work) {
  for (int64_t i = 0; i < work.steps * 2; ++i) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(work.codes + i * 32));
    _mm512_store_ps(work.out + i * 64, _mm512_cvtph_ps(words));
  }
}

void bf16_to_f32(const Widen& work) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
  for (int64_t s = 0; s < work.steps; s += 2) {
    const __m512i low = _mm512_loadu_si512(work.codes + s * 64), high = _mm512_loadu_si512(work.codes + s * 64 + 64);
    _mm512_store_si512(work.out + s * 128, _mm512_slli_epi32(low, 16));
    _mm512_store_si512(work.out + s * 128 + 64, _mm512_slli_epi32(high, 16));
    _mm512_store_si512(work.out + s * 128 + 128, _mm512_and_si512(low, upper));
    _mm512_store_si512(work.out + s * 128 + 192, _mm512_and_si512(high, upper));
  }
}

}  // namespace

/// What needs no look-up; bytes as AVX2 does them.
void widen__avx512(const Widen& work) {
  switch (work.encoding) {
    case Encoding::int8_f32:
      return int8_to_f32(work);
    case Encoding::fp16_f32:
      return fp16_to_f32(work);
    case Encoding::bf16_f32:
      return bf16_to_f32(work);
    default:
      return widen__avx2(work);
  }
}

}  // namespace octet::kernels
