#include <immintrin.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {
namespace {

/// Both sides are widened to 16 bits, the even columns and the odd ones apart: vpmaddubsw would saturate.
struct Op {
  using Sum = __m256i;
  static Sum zero() { return _mm256_setzero_si256(); }
  static Sum load(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }
  static void store(void* to, Sum sum) { _mm256_store_si256(static_cast<__m256i*>(to), sum); }

  struct Weights {  // unsigned
    explicit Weights(__m256i w) : even(_mm256_and_si256(w, _mm256_set1_epi16(0xFF))), odd(_mm256_srli_epi16(w, 8)) {}
    __m256i even, odd;
  };
  struct Inputs {  // signed
    explicit Inputs(__m256i a) : even(_mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8)), odd(_mm256_srai_epi16(a, 8)) {}
    __m256i even, odd;
  };
  static Sum multiply_add(Sum sum, const Weights& w, const Inputs& a) {
    const __m256i products = _mm256_add_epi32(_mm256_madd_epi16(w.even, a.even), _mm256_madd_epi16(w.odd, a.odd));
    return _mm256_add_epi32(sum, products);
  }

  /// sum (code - zero point) (q - zx) from sum (code + 128) q.
  static __m256 finish(const Tile& t, int row, int channel, Sum sum) {
    const auto at = [&](const int32_t* values) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + channel));
    };
    __m256i offset = _mm256_set1_epi32(128);
    if (t.zero_points) offset = _mm256_add_epi32(offset, at(t.zero_points));
    const int row_sum = static_cast<const int*>(t.row_sums)[row];
    sum = _mm256_sub_epi32(sum, _mm256_mullo_epi32(offset, _mm256_set1_epi32(row_sum)));
    if (t.column_offsets) sum = _mm256_add_epi32(sum, at(t.column_offsets));
    return _mm256_cvtepi32_ps(sum);
  }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx2.inc"

namespace octet::kernels {
void int8_tile__avx2(const Tile& t) {
  tile(t);
}
}  // namespace octet::kernels
