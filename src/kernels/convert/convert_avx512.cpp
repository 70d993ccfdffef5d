#include <immintrin.h>

#include "kernels/convert/convert_kernel.h"

namespace octet::kernels {
namespace {

// The lanes of the n elements left.
[[gnu::always_inline]] inline __mmask16 lanes(int64_t left) {
  return left >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << left) - 1);
}

[[gnu::always_inline]] inline __m512 f32_of_bf16(__m256i codes) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16));
}

// 16 elements from the i-th on; 0 where the mask has none.
template <Source kSource>
[[gnu::always_inline]] inline __m512 load(const void* x, int64_t i, __mmask16 mask) {
  if constexpr (kSource == Source::f32) return _mm512_maskz_loadu_ps(mask, static_cast<const char*>(x) + 4 * i);
  const __m256i codes = _mm256_maskz_loadu_epi16(mask, static_cast<const char*>(x) + 2 * i);
  if constexpr (kSource == Source::bf16) return f32_of_bf16(codes);
  return _mm512_cvtph_ps(codes);
}

[[gnu::always_inline]] inline __m128i load_bytes(const void* x, int64_t i, __mmask16 mask) {
  return _mm_maskz_loadu_epi8(mask, static_cast<const char*>(x) + i);
}

[[gnu::always_inline]] inline __m512 f32_of_e4m3(__m128i codes) {
  const __m512i code = _mm512_cvtepu8_epi32(codes);
  const __m512i magnitude = _mm512_and_si512(code, _mm512_set1_epi32(0x7F));
  const __m512i normal = _mm512_add_epi32(_mm512_slli_epi32(magnitude, 20), _mm512_set1_epi32(120 << 23));
  const __m512 subnormal = _mm512_mul_ps(_mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(0x1p-9f));
  __m512 value = _mm512_mask_mov_ps(_mm512_castsi512_ps(normal),
                                    _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(8)), subnormal);
  value = _mm512_mask_mov_ps(value, _mm512_cmpeq_epi32_mask(magnitude, _mm512_set1_epi32(0x7F)),
                             _mm512_castsi512_ps(_mm512_set1_epi32(0x7FF00000)));
  const __m512i sign = _mm512_slli_epi32(_mm512_sub_epi32(code, magnitude), 24);
  return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(value), sign));
}

[[gnu::always_inline]] inline __m512 f32_of_e5m2(__m128i codes) {
  return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(codes), 8));
}

[[gnu::always_inline]] inline __m512 f32_of_int8(__m128i codes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
}

template <Source kSource>
void halves_to_float(const void* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    _mm512_mask_storeu_ps(out + i, mask, load<kSource>(x, i, mask));
  }
}

template <__m512 (*decode)(__m128i)>
void bytes_to_float(const void* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    _mm512_mask_storeu_ps(out + i, mask, decode(load_bytes(x, i, mask)));
  }
}

// Not vcvtneps2bf16, which takes subnormals for 0.
void to_bf16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    const __m512 value = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(last, _mm512_set1_epi32(0x7FFF)));
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), bits,
                                   _mm512_set1_epi32(0x00400000));
    _mm256_mask_storeu_epi16(out + i, mask, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
}

void to_fp16(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    _mm256_mask_storeu_epi16(out + i, mask, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, x + i), 0));
  }
}

// Magnitudes compare as integers, NaN above infinity.
float amax_f32(const void* x, int64_t n) {
  const auto* bytes = static_cast<const char*>(x);
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i largest[4] = {};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int j = 0; j < 4; ++j) {
      const __m512i bits = _mm512_loadu_si512(bytes + 4 * i + 64 * j);
      largest[j] = _mm512_max_epu32(largest[j], _mm512_and_si512(bits, magnitude));
    }
  }
  for (; i < n; i += 16) {
    const __m512i bits = _mm512_maskz_loadu_epi32(lanes(n - i), bytes + 4 * i);
    largest[0] = _mm512_max_epu32(largest[0], _mm512_and_si512(bits, magnitude));
  }
  const uint32_t bits = _mm512_reduce_max_epu32(
      _mm512_max_epu32(_mm512_max_epu32(largest[0], largest[1]), _mm512_max_epu32(largest[2], largest[3])));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits))));
}

template <Source kSource>
float amax_of_halves(const void* x, int64_t n) {
  const auto* bytes = static_cast<const char*>(x);
  const __m512i magnitude = _mm512_set1_epi16(0x7FFF);
  __m512i largest[4] = {};
  int64_t i = 0;
  for (; i + 128 <= n; i += 128) {
    for (int j = 0; j < 4; ++j) {
      const __m512i codes = _mm512_loadu_si512(bytes + 2 * i + 64 * j);
      largest[j] = _mm512_max_epu16(largest[j], _mm512_and_si512(codes, magnitude));
    }
  }
  for (; i < n; i += 32) {
    const __mmask32 mask = n - i >= 32 ? ~__mmask32{0} : (__mmask32{1} << (n - i)) - 1;
    const __m512i codes = _mm512_maskz_loadu_epi16(mask, bytes + 2 * i);
    largest[0] = _mm512_max_epu16(largest[0], _mm512_and_si512(codes, magnitude));
  }
  const __m512i all =
      _mm512_max_epu16(_mm512_max_epu16(largest[0], largest[1]), _mm512_max_epu16(largest[2], largest[3]));
  const __m512i wide = _mm512_max_epu32(_mm512_and_si512(all, _mm512_set1_epi32(0xFFFF)), _mm512_srli_epi32(all, 16));
  const __m128i code = _mm_cvtsi32_si128(static_cast<int>(_mm512_reduce_max_epu32(wide)));
  if constexpr (kSource == Source::bf16) return _mm_cvtss_f32(_mm_castsi128_ps(_mm_slli_epi32(code, 16)));
  return _mm_cvtss_f32(_mm_cvtph_ps(code));
}

template <Source kSource>
MinMaxResult min_max(const void* x, int64_t n) {
  constexpr int kNanOrInfinity = 0x01 | 0x80 | 0x08 | 0x10;
  if (n == 0) return {0, 0, true};
  __m512 least = _mm512_set1_ps(__builtin_inff()), largest = _mm512_set1_ps(-__builtin_inff());
  __mmask16 odd = 0;
  // A NaN is passed over: minimum and maximum return their second operand then.
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    const __m512 value = load<kSource>(x, i, mask);
    least = _mm512_mask_min_ps(least, mask, value, least);
    largest = _mm512_mask_max_ps(largest, mask, value, largest);
    odd |= _mm512_fpclass_ps_mask(value, kNanOrInfinity);
  }
  return {_mm512_reduce_min_ps(least), _mm512_reduce_max_ps(largest), odd == 0};
}

/// What encoding to an 8-bit float needs to know of it.
struct Fp8 {
  int mantissa_bits, bias;
  float largest, smallest_normal;
  float aligner;  // its unit in the last place is the smallest subnormal
};
constexpr Fp8 kE4m3{3, 7, 448.0f, 0x1p-6f, 0x1p14f}, kE5m2{2, 15, 57344.0f, 0x1p-14f, 0x1p7f};

// Normal codes by rounding the bits, subnormal ones by adding a number that leaves only their bits; a saturated
// magnitude is rounded like any other.
template <const Fp8& kFormat>
[[gnu::always_inline]] inline __m512i encode(__m512 value) {
  constexpr int kDrop = 23 - kFormat.mantissa_bits;
  const __m512i bits = _mm512_castps_si512(value);
  const __m512 magnitude = _mm512_min_ps(_mm512_abs_ps(value), _mm512_set1_ps(kFormat.largest));
  const __m512i kept = _mm512_castps_si512(magnitude);
  const __m512i last = _mm512_and_si512(_mm512_srli_epi32(kept, kDrop), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(last, _mm512_set1_epi32((1 << (kDrop - 1)) - 1 - ((127 - kFormat.bias) << 23)));
  __m512i code = _mm512_srli_epi32(_mm512_add_epi32(kept, up), kDrop);
  const __m512 aligner = _mm512_set1_ps(kFormat.aligner);
  const __m512i small =
      _mm512_sub_epi32(_mm512_castps_si512(_mm512_add_ps(magnitude, aligner)), _mm512_castps_si512(aligner));
  code = _mm512_mask_mov_epi32(code, _mm512_cmp_ps_mask(magnitude, _mm512_set1_ps(kFormat.smallest_normal), _CMP_LT_OQ),
                               small);
  code = _mm512_mask_mov_epi32(code, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), _mm512_set1_epi32(0x7F));
  return _mm512_or_si512(code, _mm512_and_si512(_mm512_srli_epi32(bits, 24), _mm512_set1_epi32(0x80)));
}

template <Source kSource, const Fp8& kFormat>
int64_t to_fp8(const void* x, int64_t n, float scale, uint8_t* out) {
  const __m512 scales = _mm512_set1_ps(scale), largest = _mm512_set1_ps(kFormat.largest);
  int64_t clamped = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    const __m512 quotient = _mm512_div_ps(load<kSource>(x, i, mask), scales);
    clamped += __builtin_popcount(_mm512_cmp_ps_mask(_mm512_abs_ps(quotient), largest, _CMP_GT_OQ));
    _mm_mask_storeu_epi8(out + i, mask, _mm512_cvtepi32_epi8(encode<kFormat>(quotient)));
  }
  return clamped;
}

template <Source kSource>
int64_t to_e4m3(const void* x, int64_t n, float scale, uint8_t* out) {
  return to_fp8<kSource, kE4m3>(x, n, scale, out);
}

template <Source kSource>
int64_t to_e5m2(const void* x, int64_t n, float scale, uint8_t* out) {
  return to_fp8<kSource, kE5m2>(x, n, scale, out);
}

template <Source kSource>
int64_t to_int8(const void* x, int64_t n, float scale, int zero_point, int lowest, int8_t* out) {
  const __m512 scales = _mm512_set1_ps(scale), zero = _mm512_set1_ps(static_cast<float>(zero_point));
  const __m512 least = _mm512_set1_ps(static_cast<float>(lowest)), largest = _mm512_set1_ps(127.0f);
  int64_t clamped = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = lanes(n - i);
    const __m512 value = _mm512_add_ps(_mm512_div_ps(load<kSource>(x, i, mask), scales), zero);
    const __mmask16 outside =
        _mm512_cmp_ps_mask(value, largest, _CMP_GT_OQ) | _mm512_cmp_ps_mask(value, least, _CMP_LT_OQ);
    clamped += __builtin_popcount(outside & mask);
    const __m512 inside = _mm512_min_ps(_mm512_max_ps(value, least), largest);
    const __m512i code = _mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask(value, value, _CMP_ORD_Q), inside);
    _mm_mask_storeu_epi8(out + i, mask, _mm512_cvtepi32_epi8(code));
  }
  return clamped;
}

#define OCTET_FOR_SOURCES(function) \
  { function<Source::f32>, function<Source::bf16>, function<Source::fp16> }

}  // namespace

const ConvertKernel kConvertAvx512 = {
    halves_to_float<Source::bf16>,
    halves_to_float<Source::fp16>,
    bytes_to_float<f32_of_e4m3>,
    bytes_to_float<f32_of_e5m2>,
    bytes_to_float<f32_of_int8>,
    to_bf16,
    to_fp16,
    {amax_f32, amax_of_halves<Source::bf16>, amax_of_halves<Source::fp16>},
    OCTET_FOR_SOURCES(min_max),
    OCTET_FOR_SOURCES(to_e4m3),
    OCTET_FOR_SOURCES(to_e5m2),
    OCTET_FOR_SOURCES(to_int8),
};

}  // namespace octet::kernels
