// Codes to BF16 and F32 by table look-up, so any 8-bit format is exact, its subnormals, infinities and NaNs included.
#include <immintrin.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {
namespace {

/// 128 bytes of the table in two registers.
struct Half {
  explicit Half(const uint8_t* bytes) : low(_mm512_load_si512(bytes)), high(_mm512_load_si512(bytes + 64)) {}
  __m512i look_up(__m512i codes) const { return _mm512_permutex2var_epi8(low, codes, high); }
  __m512i low, high;
};

struct Table {
  explicit Table(const CodeTable& t) : low(t.low), high(t.high), low2(t.low + 128), high2(t.high + 128) {}
  Half low, high, low2, high2;
};

template <bool kSymmetric>
void look_up(const Table& table, __m512i codes, __m512i& low, __m512i& high) {
  low = table.low.look_up(codes);
  high = table.high.look_up(codes);
  if constexpr (kSymmetric) {
    high = _mm512_ternarylogic_epi32(high, codes, _mm512_set1_epi8(static_cast<char>(0x80)),
                                     0xF8);  // high | (codes & 0x80)
  } else {
    const __mmask64 second = _mm512_movepi8_mask(codes);
    low = _mm512_mask_mov_epi8(low, second, table.low2.look_up(codes));
    high = _mm512_mask_mov_epi8(high, second, table.high2.look_up(codes));
  }
}

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
