#include <immintrin.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {
namespace {

__m256i load(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
__m128i load_half(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
void store(std::byte* to, __m256i value) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), value);
}

void int8_to_f32(const Widen& work) {
  for (int64_t i = 0; i < work.steps * 4; ++i) {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(work.codes + i * 8));
    store(work.out + i * 32, _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes))));
  }
}

void fp16_to_f32(const Widen& work) {
  for (int64_t i = 0; i < work.steps * 4; ++i) {
    store(work.out + i * 32, _mm256_castps_si256(_mm256_cvtph_ps(load_half(work.codes + i * 16))));
  }
}

/// 8 pairs of BF16 to the first and the second column of a pair.
void put_pairs(std::byte* out, __m256i pairs) {
  store(out, _mm256_slli_epi32(pairs, 16));
  store(out + kPanelStepBytes, _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000))));
}

void bf16_to_f32(const Widen& work) {
  for (int64_t s = 0; s < work.steps; s += 2) {
    for (int64_t q = 0; q < 4; ++q) put_pairs(work.out + s * 128 + q * 32, load(work.codes + s * 64 + q * 32));
  }
}

/// BF16 of 16 codes of 8 bits, widened to 16. The first and last 8 magnitudes (subnormals, infinities, NaNs) are looked
/// up, those between are shifted into place.
struct Fp8Table {
  __m256i first_low, first_high, last_low, last_high, offset;
  __m128i shift;

  explicit Fp8Table(const CodeTable& table)
      : first_low(eight(table.low)),
        first_high(eight(table.high)),
        last_low(eight(table.low + 120)),
        last_high(eight(table.high + 120)),
        offset(_mm256_set1_epi16(static_cast<short>(table.offset))),
        shift(_mm_cvtsi32_si128(table.shift)) {}

  static __m256i eight(const uint8_t* bytes) {
    return _mm256_broadcastsi128_si256(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
  }

  __m256i look_up(__m256i codes) const {
    const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi16(0x7F));
    const __m256i middle = _mm256_add_epi16(_mm256_sll_epi16(magnitude, shift), offset);
    // Each byte of a word looks up the same entry: its low byte in the low table, its high byte in the high one.
    const __m256i three = _mm256_and_si256(codes, _mm256_set1_epi16(7));
    const __m256i low = _mm256_set1_epi16(0xFF);
    const auto pick = [&](__m256i low_table, __m256i high_table) {
      return _mm256_or_si256(_mm256_and_si256(_mm256_shuffle_epi8(low_table, three), low),
                             _mm256_slli_epi16(_mm256_shuffle_epi8(high_table, three), 8));
    };
    const __m256i is_first = _mm256_cmpgt_epi16(_mm256_set1_epi16(8), magnitude);
    const __m256i is_last = _mm256_cmpgt_epi16(magnitude, _mm256_set1_epi16(119));
    __m256i value = _mm256_blendv_epi8(middle, pick(first_low, first_high), is_first);
    value = _mm256_blendv_epi8(value, pick(last_low, last_high), is_last);
    return _mm256_or_si256(value, _mm256_slli_epi16(_mm256_andnot_si256(_mm256_set1_epi16(0x7F), codes), 8));
  }
};

/// BF16 of 16 codes from any table. An element is read with its neighbour, which is cut off.
__m256i gather(const CodeTable& table, __m128i codes) {
  const auto* values = reinterpret_cast<const int*>(table.values);
  const __m256i word = _mm256_set1_epi32(0xFFFF);
  const auto eight = [&](__m128i of) {
    return _mm256_and_si256(_mm256_i32gather_epi32(values, _mm256_cvtepu8_epi32(of), 2), word);
  };
  const __m256i words = _mm256_packus_epi32(eight(codes), eight(_mm_srli_si128(codes, 8)));
  return _mm256_permute4x64_epi64(words, 0xD8);
}

/// BF16 of 16 INT8 codes, sign-extended to 16 bits: exact, as the upper half of their F32.
__m256i int8_look_up(__m256i codes) {
  const __m256i even = _mm256_srai_epi32(_mm256_slli_epi32(codes, 16), 16), odd = _mm256_srai_epi32(codes, 16);
  const __m256i low = _mm256_srli_epi32(_mm256_castps_si256(_mm256_cvtepi32_ps(even)), 16);
  const __m256i high =
      _mm256_and_si256(_mm256_castps_si256(_mm256_cvtepi32_ps(odd)), _mm256_set1_epi32(static_cast<int>(0xFFFF0000)));
  return _mm256_or_si256(low, high);
}

/// 16 codes at a time: two columns of channels 4q…4q+3 and 16+4q…16+4q+3.
template <typename LookUp>
void bytes(const Widen& work, LookUp look_up) {
  const bool f32 = work.encoding == Encoding::bytes_f32;
  const int64_t cells = f32 ? work.steps / 2 : work.steps;
  for (int64_t i = 0; i < cells * 4; ++i) {
    const __m256i words = look_up(load_half(work.codes + i * 16));
    const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    std::byte* out = work.out + i / 4 * (f32 ? 256 : 128) + i % 4 * 16;
    if (!f32) {
      _mm_store_si128(reinterpret_cast<__m128i*>(out), low);
      _mm_store_si128(reinterpret_cast<__m128i*>(out + 64), high);
      continue;
    }
    const __m128i upper = _mm_set1_epi32(static_cast<int>(0xFFFF0000));
    _mm_store_si128(reinterpret_cast<__m128i*>(out), _mm_slli_epi32(low, 16));
    _mm_store_si128(reinterpret_cast<__m128i*>(out + 64), _mm_slli_epi32(high, 16));
    _mm_store_si128(reinterpret_cast<__m128i*>(out + 128), _mm_and_si128(low, upper));
    _mm_store_si128(reinterpret_cast<__m128i*>(out + 192), _mm_and_si128(high, upper));
  }
}

}  // namespace

void widen__avx2(const Widen& work) {
  if (work.encoding == Encoding::int8_f32) return int8_to_f32(work);
  if (work.encoding == Encoding::fp16_f32) return fp16_to_f32(work);
  if (work.encoding == Encoding::bf16_f32) return bf16_to_f32(work);
  if (work.encoding == Encoding::direct) return widen__reference(work);
  if (work.table->int8) return bytes(work, [](__m128i codes) { return int8_look_up(_mm256_cvtepi8_epi16(codes)); });
  if (!work.table->linear) return bytes(work, [&](__m128i codes) { return gather(*work.table, codes); });
  const Fp8Table table(*work.table);
  bytes(work, [&](__m128i codes) { return table.look_up(_mm256_cvtepu8_epi16(codes)); });
}

}  // namespace octet::kernels
