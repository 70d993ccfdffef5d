#include "quant/rounding/nearest.h"

#include "base/error.h"
#include "kernels/convert/convert.h"
#include "numeric/formats.h"
#include "numeric/random.h"
#include "quant/rounding/code.h"
#include "quant/scale.h"

namespace octet {
namespace {

// What is rounded: the quotient, in the arithmetic of the program to be matched. compressed-tensors adds a zero point
// of zero, which turns -0 into 0.
float quotient(float x, float scale, float reciprocal, DType dtype, Match match) {
  if (match == Match::torchao) return x * reciprocal;
  const float y = x / scale;
  if (match != Match::compressed_tensors) return y;
  if (dtype == DType::BF16) return bf16_to_float(float_to_bf16(y)) + 0.0f;
  if (dtype == DType::F16) return fp16_to_float(float_to_fp16(y)) + 0.0f;
  return y + 0.0f;
}

// Where two programs do the same, there is one name for it.
Match arithmetic_of(const Quantization& q, DType dtype, Match match) {
  if (match == Match::torchao && q.format != Format::INT8) return Match::octet;
  if (match == Match::compressed_tensors && q.format == Format::INT8 && dtype == DType::F32) return Match::octet;
  return match;
}

struct Run {
  const std::byte* numbers;
  DType dtype;
  int64_t count;
  int64_t first;  // element of the matrix, for random numbers
  float scale;
};

template <typename Encode>
void encode_run(const Run& run, const QuantizeOptions& options, std::byte* codes, Encode encode) {
  const RandomStream random(options.seed, 0, options.tensor);
  const float reciprocal = 1.0f / run.scale;
  for (int64_t i = 0; i < run.count; ++i) {
    const float y = quotient(number_at(run.numbers, run.dtype, i), run.scale, reciprocal, run.dtype, options.match);
    const uint32_t bits =
        options.rounding == Rounding::stochastic ? random.bits(static_cast<uint64_t>(run.first + i)) : 0;
    codes[i] = static_cast<std::byte>(encode(y, bits));
  }
}

// The specification: any arithmetic, any rounding, a number at a time.
void encode_plainly(const Run& run, Format format, const QuantizeOptions& options, std::byte* codes) {
  switch (format) {
    case Format::INT8:
      return encode_run(run, options, codes, [&](float y, uint32_t random) {
        return static_cast<uint8_t>(float_to_int8(y, options.rounding, random, options.int8_range));
      });
    case Format::E4M3:
      return encode_run(run, options, codes,
                        [&](float y, uint32_t random) { return float_to_e4m3(y, options.rounding, random); });
    case Format::E5M2:
      return encode_run(run, options, codes,
                        [&](float y, uint32_t random) { return float_to_e5m2(y, options.rounding, random); });
    case Format::LOG8:
    case Format::CODEBOOK: {
      const Code code(format, options.int8_range, options.table);
      return encode_run(run, options, codes, [&](float y, uint32_t) { return code.encode(y); });
    }
    default:
      fail("weights are not rounded to {}", format_info(format).name);
  }
}

void encode(const Run& run, Format format, const QuantizeOptions& options, std::byte* codes) {
  const Format from = float_format(run.dtype);
  const bool bulk = options.match == Match::octet && options.rounding != Rounding::stochastic;
  const bool half_even = options.rounding == Rounding::half_even;
  if (bulk && format == Format::INT8) {
    kernels::quantize_to_int8(from, run.numbers, run.count, run.scale, 0, options.rounding,
                              reinterpret_cast<int8_t*>(codes), options.int8_range);
  } else if (bulk && half_even && format == Format::E4M3) {
    kernels::quantize_to_e4m3(from, run.numbers, run.count, run.scale, reinterpret_cast<uint8_t*>(codes));
  } else if (bulk && half_even && format == Format::E5M2) {
    kernels::quantize_to_e5m2(from, run.numbers, run.count, run.scale, reinterpret_cast<uint8_t*>(codes));
  } else {
    encode_plainly(run, format, options, codes);
  }
}

}  // namespace

void round_to_nearest(const Tensor& w, int64_t first_row, const Quantization& q, const Tensor& scales,
                      const QuantizeOptions& given, std::byte* codes) {
  QuantizeOptions options = given;
  options.match = arithmetic_of(q, w.dtype(), given.match);
  const int64_t n = w.size(0), k = w.size(1), groups = scales.size(1);
  const Extent extent = extent_of(q, n, k);
  for (int64_t row = 0; row < n; ++row) {
    const float* of_row = scales.f32() + row / extent.rows * groups;
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t begin = g * extent.columns, at = row * k + begin;
      const Run run{w.raw() + at * bytes_of(w.dtype()), w.dtype(), std::min(extent.columns, k - begin),
                    first_row * k + at, of_row[g]};
      encode(run, q.format, options, codes + at);
    }
  }
}

void round_rows_to_nearest(const Tensor& w, const Quantization& q, const Tensor& scales, const QuantizeOptions& options,
                           Threads& threads, std::byte* codes) {
  const int64_t n = w.size(0), k = w.size(1), step = extent_of(q, n, k).rows;
  threads.for_range((n + step - 1) / step, 1, [&](int64_t first, int64_t last) {
    const int64_t begin = first * step, count = std::min(n, last * step) - begin;
    round_to_nearest(w.rows(begin, count), begin, q, scales.rows(first, last - first), options, codes + begin * k);
  });
}

}  // namespace octet
