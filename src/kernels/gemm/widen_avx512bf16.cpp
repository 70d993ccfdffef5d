// Codes to BF16 and F32 by table look-up, so any 8-bit format is exact, its subnormals, infinities and NaNs included.
#include <immintrin.h>

#include "kernels/gemm/tile.h"

#include "kernels/gemm/code_table_avx512bf16.inc"

namespace octet::kernels {
namespace {

template <bool kSymmetric>
void bytes_to_bf16(const Widen& work, const Table& table) {
  for (int64_t s = 0; s < work.steps; ++s) {
    __m512i low, high;
    look_up<kSymmetric>(table, _mm512_loadu_si512(work.codes + s * 64), low, high);
    _mm512_store_si512(work.out + s * 128, _mm512_unpacklo_epi8(low, high));
    _mm512_store_si512(work.out + s * 128 + 64, _mm512_unpackhi_epi8(low, high));
  }
}

/// Pairs of columns: the first of each is the low half of a pair of BF16, the second the high half.
template <bool kSymmetric>
void bytes_to_f32(const Widen& work, const Table& table) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000));
  for (int64_t s = 0; s < work.steps; s += 2) {
    __m512i low, high;
    look_up<kSymmetric>(table, _mm512_loadu_si512(work.codes + s * 32), low, high);
    const __m512i first = _mm512_unpacklo_epi8(low, high), second = _mm512_unpackhi_epi8(low, high);
    _mm512_store_si512(work.out + s * 128, _mm512_slli_epi32(first, 16));
    _mm512_store_si512(work.out + s * 128 + 64, _mm512_slli_epi32(second, 16));
    _mm512_store_si512(work.out + s * 128 + 128, _mm512_and_si512(first, upper));
    _mm512_store_si512(work.out + s * 128 + 192, _mm512_and_si512(second, upper));
  }
}

}  // namespace

void widen__avx512_bf16(const Widen& work) {
  if (work.encoding != Encoding::bytes_bf16 && work.encoding != Encoding::bytes_f32) return widen__avx512(work);
  const Table table(*work.table);
  if (work.encoding == Encoding::bytes_bf16) {
    work.table->symmetric ? bytes_to_bf16<true>(work, table) : bytes_to_bf16<false>(work, table);
  } else {
    work.table->symmetric ? bytes_to_f32<true>(work, table) : bytes_to_f32<false>(work, table);
  }
}

}  // namespace octet::kernels
