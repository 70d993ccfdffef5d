#include <immintrin.h>

#include "kernels/gemm/tile.h"
#include "kernels/gemm/tile_float_avx2.inc"

namespace octet::kernels {
namespace {

/// BF16 pairs are widened to F32, the even column's and the odd one's, and multiplied in that order.
struct Op : FloatSum {
  struct Weights {
    explicit Weights(__m256i w)
        : even(_mm256_castsi256_ps(_mm256_slli_epi32(w, 16))),
          odd(_mm256_castsi256_ps(_mm256_and_si256(w, _mm256_set1_epi32(static_cast<int>(0xFFFF0000))))) {}
    __m256 even, odd;
  };
  using Inputs = Weights;
  static Sum multiply_add(Sum sum, const Weights& w, const Inputs& a) {
    return _mm256_fmadd_ps(w.odd, a.odd, _mm256_fmadd_ps(w.even, a.even, sum));
  }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx2.inc"

namespace octet::kernels {
void bf16_tile__avx2(const Tile& t) {
  tile(t);
}
}  // namespace octet::kernels
