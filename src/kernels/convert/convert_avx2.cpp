#include <immintrin.h>

#include "kernels/convert/convert_kernel.h"

namespace octet::kernels {
namespace {

// Eight elements at a time; the last few go through a buffer of eight, zeros behind them.
constexpr int64_t kStep = 8;

[[gnu::always_inline]] inline __m256 choose(__m256 mask, __m256 yes, __m256 no) {
  return _mm256_blendv_ps(no, yes, mask);
}

[[gnu::always_inline]] inline __m256 nan_mask(__m256 x) {
  return _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
}

[[gnu::always_inline]] inline __m256 magnitude_of(__m256 x) {
  return _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF)));
}

template <Source kSource>
constexpr int64_t kSize = kSource == Source::f32 ? 4 : 2;

template <Source kSource>
[[gnu::always_inline]] inline __m256 load(const char* x) {
  if constexpr (kSource == Source::f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(x));
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  if constexpr (kSource == Source::bf16) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16));
  }
  return _mm256_cvtph_ps(codes);
}

template <Source kSource>
[[gnu::always_inline]] inline __m256 load_some(const char* x, int64_t count) {
  alignas(32) char buffer[kStep * 4] = {};
  __builtin_memcpy(buffer, x, static_cast<size_t>(count * kSize<kSource>));
  return load<kSource>(buffer);
}

[[gnu::always_inline]] inline __m256 f32_of_e4m3(__m128i codes) {
  const __m256i code = _mm256_cvtepu8_epi32(codes);
  const __m256i magnitude = _mm256_and_si256(code, _mm256_set1_epi32(0x7F));
  const __m256i normal = _mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), _mm256_set1_epi32(120 << 23));
  const __m256 subnormal = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(0x1p-9f));
  __m256 value = choose(_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude)), subnormal,
                        _mm256_castsi256_ps(normal));
  value = choose(_mm256_castsi256_ps(_mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F))),
                 _mm256_castsi256_ps(_mm256_set1_epi32(0x7FF00000)), value);
  return _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_sub_epi32(code, magnitude), 24)));
}

[[gnu::always_inline]] inline __m256 f32_of_e5m2(__m128i codes) {
  return _mm256_cvtph_ps(_mm_slli_epi16(_mm_cvtepu8_epi16(codes), 8));
}

[[gnu::always_inline]] inline __m256 f32_of_int8(__m128i codes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}

template <Source kSource>
void halves_to_float(const void* x, int64_t n, float* out) {
  const auto* at = static_cast<const char*>(x);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) _mm256_storeu_ps(out + i, load<kSource>(at + 2 * i));
  if (i == n) return;
  float last[kStep];
  _mm256_storeu_ps(last, load_some<kSource>(at + 2 * i, n - i));
  __builtin_memcpy(out + i, last, static_cast<size_t>(n - i) * sizeof(float));
}

template <__m256 (*decode)(__m128i)>
void bytes_to_float(const void* x, int64_t n, float* out) {
  const auto* at = static_cast<const char*>(x);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    _mm256_storeu_ps(out + i, decode(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + i))));
  }
  if (i == n) return;
  char codes[16] = {};
  float last[kStep];
  __builtin_memcpy(codes, at + i, static_cast<size_t>(n - i));
  _mm256_storeu_ps(last, decode(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))));
  __builtin_memcpy(out + i, last, static_cast<size_t>(n - i) * sizeof(float));
}

[[gnu::always_inline]] inline __m128i bf16_of(__m256 value) {
  const __m256i bits = _mm256_castps_si256(value);
  const __m256i last = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(last, _mm256_set1_epi32(0x7FFF)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  const __m256 code = choose(nan_mask(value), _mm256_castsi256_ps(quiet), _mm256_castsi256_ps(rounded));
  const __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(code), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

[[gnu::always_inline]] inline __m128i fp16_of(__m256 value) {
  return _mm256_cvtps_ph(value, 0);
}

template <__m128i (*encode)(__m256)>
void to_halves(const float* x, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), encode(_mm256_loadu_ps(x + i)));
  }
  if (i == n) return;
  uint16_t last[kStep];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(last),
                   encode(load_some<Source::f32>(reinterpret_cast<const char*>(x + i), n - i)));
  __builtin_memcpy(out + i, last, static_cast<size_t>(n - i) * sizeof(uint16_t));
}

// Magnitudes compare as integers, NaN above infinity.
template <Source kSource>
float amax(const void* x, int64_t n) {
  const auto* at = static_cast<const char*>(x);
  const auto bits = [](__m256 value) { return _mm256_castps_si256(magnitude_of(value)); };
  __m256i largest[2] = {};
  int64_t i = 0;
  for (; i + 2 * kStep <= n; i += 2 * kStep) {
    for (int j = 0; j < 2; ++j) {
      largest[j] = _mm256_max_epu32(largest[j], bits(load<kSource>(at + (i + j * kStep) * kSize<kSource>)));
    }
  }
  for (; i < n; i += kStep) {
    const int64_t left = n - i < kStep ? n - i : kStep;
    largest[0] = _mm256_max_epu32(largest[0], bits(load_some<kSource>(at + i * kSize<kSource>, left)));
  }
  uint32_t lanes[kStep], all = 0;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), _mm256_max_epu32(largest[0], largest[1]));
  for (const uint32_t lane : lanes) all = lane > all ? lane : all;
  float result;
  __builtin_memcpy(&result, &all, sizeof result);
  return result;
}

// A NaN is passed over: minimum and maximum return their second operand then.
template <Source kSource>
MinMaxResult min_max(const void* x, int64_t n) {
  if (n == 0) return {0, 0, true};
  const auto* at = static_cast<const char*>(x);
  const __m256 infinity = _mm256_set1_ps(__builtin_inff()), minus = _mm256_set1_ps(-__builtin_inff());
  __m256 least = infinity, largest = minus, odd = _mm256_setzero_ps();
  const auto see = [&](__m256 value) {
    least = _mm256_min_ps(value, least);
    largest = _mm256_max_ps(value, largest);
    odd = _mm256_or_ps(odd, _mm256_cmp_ps(magnitude_of(value), infinity, _CMP_NLT_UQ));
  };
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) see(load<kSource>(at + i * kSize<kSource>));
  for (; i < n; ++i) {
    const __m256 value = load_some<kSource>(at + i * kSize<kSource>, 1);
    see(_mm256_permutevar8x32_ps(value, _mm256_setzero_si256()));
  }
  float low[kStep], high[kStep];
  _mm256_storeu_ps(low, least);
  _mm256_storeu_ps(high, largest);
  MinMaxResult result{low[0], high[0], _mm256_movemask_ps(odd) == 0};
  for (int lane = 1; lane < kStep; ++lane) {
    result.min = low[lane] < result.min ? low[lane] : result.min;
    result.max = high[lane] > result.max ? high[lane] : result.max;
  }
  return result;
}

/// What encoding to an 8-bit float needs to know of it.
struct Fp8 {
  int mantissa_bits, bias;
  float largest, smallest_normal;
  float aligner;  // its unit in the last place is the smallest subnormal
};
constexpr Fp8 kE4m3{3, 7, 448.0f, 0x1p-6f, 0x1p14f}, kE5m2{2, 15, 57344.0f, 0x1p-14f, 0x1p7f};

struct Codes {
  __m256i codes;  // one in each 32-bit lane
  int clamped;    // a bit a lane
};

// Normal codes by rounding the bits, subnormal ones by adding a number that leaves only their bits; a saturated
// magnitude is rounded like any other.
template <const Fp8& kFormat>
[[gnu::always_inline]] inline Codes encode_fp8(__m256 value) {
  constexpr int kDrop = 23 - kFormat.mantissa_bits;
  const __m256 largest = _mm256_set1_ps(kFormat.largest), whole = magnitude_of(value);
  const __m256 magnitude = _mm256_min_ps(whole, largest);
  const __m256i kept = _mm256_castps_si256(magnitude);
  const __m256i last = _mm256_and_si256(_mm256_srli_epi32(kept, kDrop), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(last, _mm256_set1_epi32((1 << (kDrop - 1)) - 1 - ((127 - kFormat.bias) << 23)));
  const __m256i normal = _mm256_srli_epi32(_mm256_add_epi32(kept, up), kDrop);
  const __m256 aligner = _mm256_set1_ps(kFormat.aligner);
  const __m256i small =
      _mm256_sub_epi32(_mm256_castps_si256(_mm256_add_ps(magnitude, aligner)), _mm256_castps_si256(aligner));
  const __m256 is_small = _mm256_cmp_ps(magnitude, _mm256_set1_ps(kFormat.smallest_normal), _CMP_LT_OQ);
  __m256 code = choose(is_small, _mm256_castsi256_ps(small), _mm256_castsi256_ps(normal));
  code = choose(nan_mask(value), _mm256_castsi256_ps(_mm256_set1_epi32(0x7F)), code);
  const __m256i sign = _mm256_and_si256(_mm256_srli_epi32(_mm256_castps_si256(value), 24), _mm256_set1_epi32(0x80));
  return {_mm256_or_si256(_mm256_castps_si256(code), sign),
          _mm256_movemask_ps(_mm256_cmp_ps(whole, largest, _CMP_GT_OQ))};
}

// The low bytes of eight lanes.
[[gnu::always_inline]] inline __m128i bytes_of(__m256i codes) {
  const __m256i low = _mm256_and_si256(codes, _mm256_set1_epi32(0xFF));
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  return _mm_packus_epi16(words, words);
}

// codes = encode(x / scale); the lanes behind the end are not counted.
template <Source kSource, typename Encode>
[[gnu::always_inline]] inline int64_t quantize(const void* x, int64_t n, float scale, void* out, Encode encode) {
  const auto* at = static_cast<const char*>(x);
  auto* to = static_cast<char*>(out);
  const __m256 scales = _mm256_set1_ps(scale);
  int64_t clamped = 0, i = 0;
  for (; i + kStep <= n; i += kStep) {
    const Codes result = encode(_mm256_div_ps(load<kSource>(at + i * kSize<kSource>), scales));
    clamped += __builtin_popcount(static_cast<unsigned>(result.clamped));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + i), bytes_of(result.codes));
  }
  if (i == n) return clamped;
  const Codes result = encode(_mm256_div_ps(load_some<kSource>(at + i * kSize<kSource>, n - i), scales));
  char last[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(last), bytes_of(result.codes));
  __builtin_memcpy(to + i, last, static_cast<size_t>(n - i));
  return clamped + __builtin_popcount(static_cast<unsigned>(result.clamped) & ((1u << (n - i)) - 1));
}

template <Source kSource>
int64_t to_e4m3(const void* x, int64_t n, float scale, uint8_t* out) {
  return quantize<kSource>(x, n, scale, out, [](__m256 value) { return encode_fp8<kE4m3>(value); });
}

template <Source kSource>
int64_t to_e5m2(const void* x, int64_t n, float scale, uint8_t* out) {
  return quantize<kSource>(x, n, scale, out, [](__m256 value) { return encode_fp8<kE5m2>(value); });
}

template <Source kSource>
int64_t to_int8(const void* x, int64_t n, float scale, int zero_point, int lowest, int8_t* out) {
  const __m256 zero = _mm256_set1_ps(static_cast<float>(zero_point));
  const __m256 least = _mm256_set1_ps(static_cast<float>(lowest)), largest = _mm256_set1_ps(127.0f);
  return quantize<kSource>(x, n, scale, out, [=](__m256 quotient) {
    const __m256 value = _mm256_add_ps(quotient, zero);
    const __m256 outside =
        _mm256_or_ps(_mm256_cmp_ps(value, largest, _CMP_GT_OQ), _mm256_cmp_ps(value, least, _CMP_LT_OQ));
    const __m256 inside = _mm256_min_ps(_mm256_max_ps(value, least), largest);
    const __m256i code = _mm256_cvtps_epi32(_mm256_andnot_ps(nan_mask(value), inside));
    return Codes{code, _mm256_movemask_ps(outside)};
  });
}

#define OCTET_FOR_SOURCES(function) \
  { function<Source::f32>, function<Source::bf16>, function<Source::fp16> }

}  // namespace

const ConvertKernel kConvertAvx2 = {
    halves_to_float<Source::bf16>,
    halves_to_float<Source::fp16>,
    bytes_to_float<f32_of_e4m3>,
    bytes_to_float<f32_of_e5m2>,
    bytes_to_float<f32_of_int8>,
    to_halves<bf16_of>,
    to_halves<fp16_of>,
    OCTET_FOR_SOURCES(amax),
    OCTET_FOR_SOURCES(min_max),
    OCTET_FOR_SOURCES(to_e4m3),
    OCTET_FOR_SOURCES(to_e5m2),
    OCTET_FOR_SOURCES(to_int8),
};

}  // namespace octet::kernels
