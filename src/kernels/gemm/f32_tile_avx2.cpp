#include <immintrin.h>

#include "kernels/gemm/tile.h"
#include "kernels/gemm/tile_float_avx2.inc"

namespace octet::kernels {
namespace {

struct Op : FloatSum {
  struct Weights {
    explicit Weights(__m256i w) : values(_mm256_castsi256_ps(w)) {}
    __m256 values;
  };
  using Inputs = Weights;
  static Sum multiply_add(Sum sum, const Weights& w, const Inputs& a) {
    return _mm256_fmadd_ps(w.values, a.values, sum);
  }
};

}  // namespace
}  // namespace octet::kernels

#include "kernels/gemm/tile_avx2.inc"

namespace octet::kernels {
void f32_tile__avx2(const Tile& t) {
  tile(t);
}
}  // namespace octet::kernels
