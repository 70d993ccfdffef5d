#include <immintrin.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {

/// BF16 and FP16 to F32; bytes as AVX2 does them.
void widen__avx512(const Widen& work) {
  if (work.encoding != Encoding::bf16_f32 && work.encoding != Encoding::fp16_f32) return widen__avx2(work);
  const bool fp16 = work.encoding == Encoding::fp16_f32;
  for (int64_t i = 0; i < work.steps * 2; ++i) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(work.codes + i * 32));
    const __m512i wide =
        fp16 ? _mm512_castps_si512(_mm512_cvtph_ps(words)) : _mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16);
    _mm512_store_si512(work.out + i * 64, wide);
  }
}

}  // namespace octet::kernels
