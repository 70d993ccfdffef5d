#include <arm_neon.h>

#include <cstddef>

#include "kernels/convert/convert_kernel.h"
#include "kernels/convert/decode_neon.h"

namespace octet::kernels {
namespace {

// Eight elements at a time; the last few go through a buffer of eight, zeros behind them.
constexpr int64_t kStep = 8;

struct Eight {
  float32x4_t low, high;
};

template <Source kSource>
constexpr int64_t kSize = kSource == Source::f32 ? 4 : 2;

template <Source kSource>
[[gnu::always_inline]] inline Eight load(const uint8_t* x) {
  if constexpr (kSource == Source::f32) {
    return {vreinterpretq_f32_u8(vld1q_u8(x)), vreinterpretq_f32_u8(vld1q_u8(x + 16))};
  }
  const uint16x8_t codes = vreinterpretq_u16_u8(vld1q_u8(x));
  if constexpr (kSource == Source::bf16) {
    return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(codes), 16)),
            vreinterpretq_f32_u32(vshll_high_n_u16(codes, 16))};
  }
  const float16x8_t halves = vreinterpretq_f16_u16(codes);
  return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

template <Source kSource>
[[gnu::always_inline]] inline Eight load_some(const uint8_t* x, int64_t count) {
  uint8_t buffer[kStep * 4] = {};
  __builtin_memcpy(buffer, x, static_cast<size_t>(count * kSize<kSource>));
  return load<kSource>(buffer);
}

[[gnu::always_inline]] inline void store(float* out, Eight values) {
  vst1q_f32(out, values.low);
  vst1q_f32(out + 4, values.high);
}

[[gnu::always_inline]] inline void store_some(float* out, Eight values, int64_t count) {
  float last[kStep];
  store(last, values);
  __builtin_memcpy(out, last, static_cast<size_t>(count) * sizeof(float));
}

[[gnu::always_inline]] inline Eight f32_of_e4m3(uint8x8_t codes) {
  const uint16x8_t code = vmovl_u8(codes);
  return {e4m3_to_float_neon(vget_low_u16(code)), e4m3_to_float_neon(vget_high_u16(code))};
}

[[gnu::always_inline]] inline Eight f32_of_e5m2(uint8x8_t codes) {
  const float16x8_t halves = vreinterpretq_f16_u16(vshll_n_u8(codes, 8));
  return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

[[gnu::always_inline]] inline Eight f32_of_int8(uint8x8_t codes) {
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(codes));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))), vcvtq_f32_s32(vmovl_high_s16(wide))};
}

template <Source kSource>
void halves_to_float(const void* x, int64_t n, float* out) {
  const auto* at = static_cast<const uint8_t*>(x);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) store(out + i, load<kSource>(at + 2 * i));
  if (i < n) store_some(out + i, load_some<kSource>(at + 2 * i, n - i), n - i);
}

template <Eight (*decode)(uint8x8_t)>
void bytes_to_float(const void* x, int64_t n, float* out) {
  const auto* at = static_cast<const uint8_t*>(x);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) store(out + i, decode(vld1_u8(at + i)));
  if (i == n) return;
  uint8_t codes[kStep] = {};
  __builtin_memcpy(codes, at + i, static_cast<size_t>(n - i));
  store_some(out + i, decode(vld1_u8(codes)), n - i);
}

[[gnu::always_inline]] inline uint16x8_t bf16_of(Eight x) {
  return vuzp2q_u16(vreinterpretq_u16_u32(bf16_above_neon(x.low)), vreinterpretq_u16_u32(bf16_above_neon(x.high)));
}

[[gnu::always_inline]] inline uint16x8_t fp16_of(Eight x) {
  return vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(x.low), x.high));
}

template <uint16x8_t (*encode)(Eight)>
void to_halves(const float* x, int64_t n, uint16_t* out) {
  const auto* at = reinterpret_cast<const uint8_t*>(x);
  auto* to = reinterpret_cast<uint8_t*>(out);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) vst1q_u8(to + 2 * i, vreinterpretq_u8_u16(encode(load<Source::f32>(at + 4 * i))));
  if (i == n) return;
  uint16_t last[kStep];
  vst1q_u16(last, encode(load_some<Source::f32>(at + 4 * i, n - i)));
  __builtin_memcpy(to + 2 * i, last, static_cast<size_t>(n - i) * sizeof(uint16_t));
}

// Calls see(eight values) over all of x; behind the end stands zero.
template <Source kSource, typename See>
[[gnu::always_inline]] inline void for_eights(const void* x, int64_t n, See see) {
  const auto* at = static_cast<const uint8_t*>(x);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) see(load<kSource>(at + i * kSize<kSource>));
  if (i < n) see(load_some<kSource>(at + i * kSize<kSource>, n - i));
}

// Magnitudes compare as integers, NaN above infinity.
template <Source kSource>
float amax(const void* x, int64_t n) {
  const auto bits = [](float32x4_t value) { return vreinterpretq_u32_f32(vabsq_f32(value)); };
  uint32x4_t low = vdupq_n_u32(0), high = low;
  for_eights<kSource>(x, n, [&](Eight value) {
    low = vmaxq_u32(low, bits(value.low));
    high = vmaxq_u32(high, bits(value.high));
  });
  return __builtin_bit_cast(float, vmaxvq_u32(vmaxq_u32(low, high)));
}

// A comparison with NaN is false, which passes it over.
template <Source kSource>
MinMaxResult min_max(const void* x, int64_t n) {
  if (n == 0) return {0, 0, true};
  float32x4_t least = vdupq_n_f32(__builtin_inff()), largest = vnegq_f32(least);
  uint32x4_t finite = vdupq_n_u32(0xFFFFFFFF);
  const auto see = [&](float32x4_t value) {
    least = vbslq_f32(vcltq_f32(value, least), value, least);
    largest = vbslq_f32(vcgtq_f32(value, largest), value, largest);
    finite = vandq_u32(finite, vcltq_f32(vabsq_f32(value), vdupq_n_f32(__builtin_inff())));
  };
  const auto* at = static_cast<const uint8_t*>(x);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    const Eight value = load<kSource>(at + i * kSize<kSource>);
    see(value.low);
    see(value.high);
  }
  for (; i < n; ++i) see(vdupq_laneq_f32(load_some<kSource>(at + i * kSize<kSource>, 1).low, 0));
  return {vminvq_f32(least), vmaxvq_f32(largest), vminvq_u32(finite) != 0};
}

/// What encoding to an 8-bit float needs to know of it.
struct Fp8 {
  int mantissa_bits, bias;
  float largest, smallest_normal;
  float aligner;  // its unit in the last place is the smallest subnormal
};
constexpr Fp8 kE4m3{3, 7, 448.0f, 0x1p-6f, 0x1p14f}, kE5m2{2, 15, 57344.0f, 0x1p-14f, 0x1p7f};

struct Codes {
  uint32x4_t codes, clamped;  // the low 8 bits of each lane; ones where clamped
};

// Normal codes by rounding the bits, subnormal ones by adding a number that leaves only their bits; a saturated
// magnitude is rounded like any other.
template <const Fp8& kFormat>
[[gnu::always_inline]] inline Codes encode_fp8(float32x4_t value) {
  constexpr int kDrop = 23 - kFormat.mantissa_bits;
  constexpr int kUp = (1 << (kDrop - 1)) - 1 - ((127 - kFormat.bias) << 23);
  const float32x4_t largest = vdupq_n_f32(kFormat.largest), aligner = vdupq_n_f32(kFormat.aligner);
  const float32x4_t whole = vabsq_f32(value), magnitude = vminq_f32(whole, largest);
  const uint32x4_t kept = vreinterpretq_u32_f32(magnitude);
  const uint32x4_t last = vandq_u32(vshrq_n_u32(kept, kDrop), vdupq_n_u32(1));
  const uint32x4_t up = vaddq_u32(last, vdupq_n_u32(static_cast<uint32_t>(kUp)));
  const uint32x4_t normal = vshrq_n_u32(vaddq_u32(kept, up), kDrop);
  const uint32x4_t small =
      vsubq_u32(vreinterpretq_u32_f32(vaddq_f32(magnitude, aligner)), vreinterpretq_u32_f32(aligner));
  uint32x4_t code = vbslq_u32(vcltq_f32(magnitude, vdupq_n_f32(kFormat.smallest_normal)), small, normal);
  code = vbslq_u32(vceqq_f32(value, value), code, vdupq_n_u32(0x7F));
  const uint32x4_t sign = vandq_u32(vshrq_n_u32(vreinterpretq_u32_f32(value), 24), vdupq_n_u32(0x80));
  return {vorrq_u32(code, sign), vcgtq_f32(whole, largest)};
}

[[gnu::always_inline]] inline uint8x8_t bytes_of(uint32x4_t low, uint32x4_t high) {
  return vmovn_u16(vcombine_u16(vmovn_u32(low), vmovn_u32(high)));
}

// codes = encode(x / scale); the lanes behind the end are not counted.
template <Source kSource, typename Encode>
[[gnu::always_inline]] inline int64_t quantize(const void* x, int64_t n, float scale, void* out, Encode encode) {
  const auto* at = static_cast<const uint8_t*>(x);
  auto* to = static_cast<uint8_t*>(out);
  const float32x4_t scales = vdupq_n_f32(scale);
  int64_t clamped = 0;
  for (int64_t i = 0; i < n; i += kStep) {
    const int64_t count = n - i < kStep ? n - i : kStep;
    const uint8_t* from = at + i * kSize<kSource>;
    const Eight value = count == kStep ? load<kSource>(from) : load_some<kSource>(from, count);
    const Codes low = encode(vdivq_f32(value.low, scales)), high = encode(vdivq_f32(value.high, scales));
    const uint8x8_t codes = bytes_of(low.codes, high.codes), ones = bytes_of(low.clamped, high.clamped);
    const uint64_t flags = vget_lane_u64(vreinterpret_u64_u8(ones), 0) << (kStep - count) * 8;
    clamped += __builtin_popcountll(flags) / 8;
    if (count == kStep) {
      vst1_u8(to + i, codes);
      continue;
    }
    uint8_t last[kStep];
    vst1_u8(last, codes);
    __builtin_memcpy(to + i, last, static_cast<size_t>(count));
  }
  return clamped;
}

template <Source kSource>
int64_t to_e4m3(const void* x, int64_t n, float scale, uint8_t* out) {
  return quantize<kSource>(x, n, scale, out, [](float32x4_t value) { return encode_fp8<kE4m3>(value); });
}

template <Source kSource>
int64_t to_e5m2(const void* x, int64_t n, float scale, uint8_t* out) {
  return quantize<kSource>(x, n, scale, out, [](float32x4_t value) { return encode_fp8<kE5m2>(value); });
}

template <Source kSource>
int64_t to_int8(const void* x, int64_t n, float scale, int zero_point, int lowest, int8_t* out) {
  const float32x4_t zero = vdupq_n_f32(static_cast<float>(zero_point));
  const float32x4_t least = vdupq_n_f32(static_cast<float>(lowest)), largest = vdupq_n_f32(127.0f);
  return quantize<kSource>(x, n, scale, out, [=](float32x4_t quotient) {
    const float32x4_t value = vaddq_f32(quotient, zero);
    const uint32x4_t outside = vorrq_u32(vcgtq_f32(value, largest), vcltq_f32(value, least));
    // The conversion rounds half to even and makes NaN 0.
    const int32x4_t code = vcvtnq_s32_f32(vminq_f32(vmaxq_f32(value, least), largest));
    return Codes{vreinterpretq_u32_s32(code), outside};
  });
}

#define OCTET_FOR_SOURCES(function) \
  { function<Source::f32>, function<Source::bf16>, function<Source::fp16> }

}  // namespace

const ConvertKernel kConvertNeon = {
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
