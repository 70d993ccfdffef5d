#include <arm_neon.h>

#include "kernels/gemm/tile.h"

namespace octet::kernels {
namespace {

const uint8_t* bytes_of(const Widen& work) {
  return reinterpret_cast<const uint8_t*>(work.codes);
}
float* floats_of(const Widen& work) {
  return reinterpret_cast<float*>(work.out);
}

void int8_to_f32(const Widen& work) {
  for (int64_t i = 0; i < work.steps * kPanel; i += 8) {
    const int16x8_t codes = vmovl_s8(vreinterpret_s8_u8(vld1_u8(bytes_of(work) + i)));
    vst1q_f32(floats_of(work) + i, vcvtq_f32_s32(vmovl_s16(vget_low_s16(codes))));
    vst1q_f32(floats_of(work) + i + 4, vcvtq_f32_s32(vmovl_high_s16(codes)));
  }
}

void fp16_to_f32(const Widen& work) {
  for (int64_t i = 0; i < work.steps * kPanel; i += 4) {
    vst1q_f32(floats_of(work) + i, vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(bytes_of(work) + i * 2))));
  }
}

/// 4 pairs of BF16 to the first and the second column of a pair.
void put_pairs(float* out, uint32x4_t pairs) {
  vst1q_f32(out, vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16)));
  vst1q_f32(out + kPanel, vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xFFFF0000))));
}

void bf16_to_f32(const Widen& work) {
  for (int64_t s = 0; s < work.steps; s += 2) {
    for (int64_t n = 0; n < kPanel; n += 4) {
      const uint8x16_t pairs = vld1q_u8(bytes_of(work) + (s / 2 * kPanel + n) * 4);
      put_pairs(floats_of(work) + s * kPanel + n, vreinterpretq_u32_u8(pairs));
    }
  }
}

/// BF16 of 16 codes, two columns of channels 4q…4q+3 and 16+4q…16+4q+3.
struct Cells {
  uint8x16_t low, high;
};

/// FP8: the 128 magnitudes are looked up a byte at a time, 64 of them in 4 registers; the sign is added.
class Fp8Table {
 public:
  explicit Fp8Table(const CodeTable& table) {
    for (int i = 0; i < 2; ++i) {
      low_[i] = vld1q_u8_x4(table.low + 64 * i);
      high_[i] = vld1q_u8_x4(table.high + 64 * i);
    }
  }

  Cells operator()(uint8x16_t codes) const {
    const uint8x16_t magnitude = vandq_u8(codes, vdupq_n_u8(0x7F)), sign = vandq_u8(codes, vdupq_n_u8(0x80));
    const uint8x16_t low = look_up(low_, magnitude), high = vorrq_u8(look_up(high_, magnitude), sign);
    return {vzip1q_u8(low, high), vzip2q_u8(low, high)};
  }

 private:
  /// What is beyond the first table is 0 there, what is not beyond it stays as it is in the second.
  static uint8x16_t look_up(const uint8x16x4_t (&table)[2], uint8x16_t i) {
    return vqtbx4q_u8(vqtbl4q_u8(table[0], i), table[1], vsubq_u8(i, vdupq_n_u8(64)));
  }

  uint8x16x4_t low_[2], high_[2];
};

/// Any table: 256 codes are four times 64.
class WholeTable {
 public:
  explicit WholeTable(const CodeTable& table) {
    for (int i = 0; i < 4; ++i) {
      low_[i] = vld1q_u8_x4(table.low + 64 * i);
      high_[i] = vld1q_u8_x4(table.high + 64 * i);
    }
  }

  Cells operator()(uint8x16_t codes) const {
    const uint8x16_t low = look_up(low_, codes), high = look_up(high_, codes);
    return {vzip1q_u8(low, high), vzip2q_u8(low, high)};
  }

 private:
  static uint8x16_t look_up(const uint8x16x4_t (&table)[4], uint8x16_t i) {
    uint8x16_t found = vqtbl4q_u8(table[0], i);
    for (int part = 1; part < 4; ++part) {
      i = vsubq_u8(i, vdupq_n_u8(64));
      found = vqtbx4q_u8(found, table[part], i);
    }
    return found;
  }

  uint8x16x4_t low_[4], high_[4];
};

/// INT8: exact as the upper half of its F32.
Cells int8_cells(uint8x16_t codes) {
  const int16x8_t low = vmovl_s8(vreinterpret_s8_u8(vget_low_u8(codes)));
  const int16x8_t high = vmovl_high_s8(vreinterpretq_s8_u8(codes));
  const auto upper = [](int16x8_t words) {
    const float32x4_t even = vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
    const float32x4_t odd = vcvtq_f32_s32(vmovl_high_s16(words));
    return vreinterpretq_u8_u16(vuzp2q_u16(vreinterpretq_u16_f32(even), vreinterpretq_u16_f32(odd)));
  };
  return {upper(low), upper(high)};
}

template <typename LookUp>
void bytes(const Widen& work, LookUp look_up) {
  const bool f32 = work.encoding == Encoding::bytes_f32;
  const int64_t cells = f32 ? work.steps / 2 : work.steps;
  for (int64_t i = 0; i < cells * 4; ++i) {
    const Cells pairs = look_up(vld1q_u8(bytes_of(work) + i * 16));
    float* out = floats_of(work) + i / 4 * (f32 ? 2 : 1) * kPanel + i % 4 * 4;
    if (f32) {
      put_pairs(out, vreinterpretq_u32_u8(pairs.low));
      put_pairs(out + 16, vreinterpretq_u32_u8(pairs.high));
    } else {
      vst1q_f32(out, vreinterpretq_f32_u8(pairs.low));
      vst1q_f32(out + 16, vreinterpretq_f32_u8(pairs.high));
    }
  }
}

}  // namespace

void widen__neon(const Widen& work) {
  if (work.encoding == Encoding::int8_f32) return int8_to_f32(work);
  if (work.encoding == Encoding::fp16_f32) return fp16_to_f32(work);
  if (work.encoding == Encoding::bf16_f32) return bf16_to_f32(work);
  if (work.encoding == Encoding::direct) return widen__reference(work);
  if (work.table->symmetric) return bytes(work, Fp8Table(*work.table));
  if (work.table->int8) return bytes(work, int8_cells);
  bytes(work, WholeTable(*work.table));
}

}  // namespace octet::kernels
