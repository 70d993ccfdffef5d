#include "ops/aware_linear.h"

#include <cmath>

#include "kernels/gemm/layout.h"
#include "ops/tape.h"

namespace octet {
namespace {

constexpr int64_t kPart = 1 << 14;  // numbers whose terms are summed at once, whatever the threads

Tensor stored(const Tensor& x, DType dtype) {
  return dtype == DType::F32 ? x : from_f32(x, dtype);
}

/// Codes lie between these ends, in steps; a number that is further away than `slack` was clipped.
struct Ends {
  float low, high, slack;
};
Ends ends_of(Format format, int zero_point) {
  if (format == Format::INT8)
    return {static_cast<float>(-128 - zero_point), static_cast<float>(127 - zero_point), 0.5f};
  const float most = format_info(format).max_finite;
  return {-most, most, 0};
}

/// Esser et al. 2020, section 2.2, of a step size that `numbers` numbers share.
float gradient_scale(int64_t numbers, Format format) {
  return 1 / std::sqrt(static_cast<float>(numbers) * format_info(format).max_finite);
}

/// From what is learned, or was watched.
InputScale scale_now(const Aware& a) {
  if (a.given) return *a.given;
  const InputScale watched = a.scale_of(a.range.average);
  if (!a.learns_input()) return watched;
  const float* learned = a.input.f32();
  if (a.method == AwareMethod::lsq) return {to_f32(stored(a.input, a.dtype)).f32()[0], watched.zero_point};
  return a.scale_of({-learned[0], learned[a.input.elements() - 1]});
}

void set_input(QTensor& q, const InputScale& scale) {
  q.input_scale = scale.scale;
  q.input_zero_point = scale.zero_point;
}

/// Rows and columns that share a scale.
struct Sharing {
  int64_t rows, columns;
};
Sharing sharing_of(const QTensor& q) {
  const bool grouped = q.weights.granularity == Granularity::group || q.weights.granularity == Granularity::block;
  const int64_t rows = q.weights.granularity == Granularity::tensor  ? q.rows()
                       : q.weights.granularity == Granularity::block ? q.weights.block_rows
                                                                     : 1;
  return {std::min(rows, q.rows()), grouped ? std::min<int64_t>(q.weights.group, q.columns()) : q.columns()};
}

/// What lies in [begin, end) of each row shares scale `at`.
template <typename Run>
void for_runs(const QTensor& q, int64_t row, const Run& run) {
  const Sharing sharing = sharing_of(q);
  const int64_t groups = q.scales.size(1);
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t begin = g * sharing.columns;
    run(row / sharing.rows * groups + g, g, row * q.columns() + begin,
        row * q.columns() + std::min(begin + sharing.columns, q.columns()));
  }
}

/// body(begin, end, sums) over parts of a fixed size; the sums of all, in their order.
template <typename Body>
std::array<double, 2> sum_parts(int64_t n, Threads& threads, const Body& body) {
  std::vector<std::array<double, 2>> parts(static_cast<size_t>((n + kPart - 1) / kPart));
  threads.for_range(static_cast<int64_t>(parts.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      body(p * kPart, std::min(n, (p + 1) * kPart), parts[static_cast<size_t>(p)]);
    }
  });
  std::array<double, 2> sums{};
  for (const auto& part : parts) sums[0] += part[0], sums[1] += part[1];
  return sums;
}

void add_to_input(Context& ctx, const Aware& aware, int64_t columns, const std::array<double, 2>& sums) {
  float* gradient = ctx.tape->gradient_to_add(ctx, aware.input).f32();
  const bool both = aware.input.elements() == 1;
  if (aware.method == AwareMethod::lsq) {
    gradient[0] += static_cast<float>(sums[0]) * gradient_scale(columns, aware.activations->format);
  } else if (both) {
    gradient[0] += static_cast<float>(sums[1] - sums[0]);
  } else {
    gradient[0] -= static_cast<float>(sums[0]);
    gradient[1] += static_cast<float>(sums[1]);
  }
}

}  // namespace

void Aware::end_step() {
  const bool was_seen = range.seen();
  if (learns_input() && was_seen) range.step = {};
  range.end_step();
  if (!learns_input() || was_seen || !range.seen()) return;
  const auto [low, high] = range.average;
  const float largest = std::max(-low, high);
  float* begin = input.f32();
  if (method == AwareMethod::lsq) {
    begin[0] = scale_of(range.average).scale;
  } else if (input.elements() == 1) {
    begin[0] = largest;
  } else {  // an end at 0 could never move
    begin[0] = std::max(-low, largest / 256);
    begin[1] = std::max(high, largest / 256);
  }
}

Tensor served_values(const QTensor& q, Threads& threads) {
  Tensor values(q.codes.shape());
  const Tensor codes = to_f32(q.codes);
  threads.for_range(q.rows(), 16, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      for_runs(q, row, [&](int64_t at, int64_t, int64_t begin, int64_t end) {
        const float scale = q.scales.f32()[at];
        for (int64_t i = begin; i < end; ++i) values.f32()[i] = codes.f32()[i] * scale;
      });
    }
  });
  return values;
}

QTensor served_weight(const TrainedWeight& w) {
  const Aware& a = *w.aware;
  const Tensor scales = a.steps.empty() ? a.scales : to_f32(stored(a.steps, a.dtype));
  QTensor q = a.quantize(stored(w.value, a.dtype), scales);
  q.activations = a.activations;
  if (a.static_input() && (a.given || a.range.seen())) set_input(q, scale_now(a));
  return q;
}

AwareProduct aware_product(Context& ctx, const Tensor& x, const Weight& weight,
                           std::optional<kernels::InputFormat>& prepared, Tensor& y) {
  Aware& a = *weight.trained()->aware;
  AwareProduct product{served_weight(*weight.trained())};
  QTensor& q = product.weight;
  if (a.static_input()) {
    const bool moves = a.method == AwareMethod::straight_through && ctx.tape->recording();
    const bool watches = !a.given && (moves || !a.range.seen());
    const InputRange::Ends ends = watches ? a.range_of(x) : InputRange::Ends{};
    if (watches && ctx.tape->recording()) a.range.see(ends);
    if (!a.given && !a.range.seen()) set_input(q, a.scale_of(ends));
    const Ends codes = ends_of(q.activations->format, q.input_zero_point);
    product.low = (codes.low - codes.slack) * q.input_scale;
    product.high = (codes.high + codes.slack) * q.input_scale;
  }
  const Weight served(weight.module(), q, Tensor(), a.dtype, ctx.threads);
  product.input = served.packed().input();
  const int64_t k = x.size(-1), m = x.elements() / k;
  if (!prepared || !(*prepared == product.input)) {
    ctx.prepared.prepare(x.f32(), m, k, k, product.input, ctx.threads);
    prepared = product.input;
  }
  const float* bias = weight.bias().empty() ? nullptr : weight.bias().f32();
  kernels::gemm(ctx.prepared, served.packed(), bias, y.f32(), served.rows(), ctx.threads);
  return product;
}

Tensor served_input(Context& ctx, const Tensor& x, const kernels::InputFormat& format) {
  const int64_t k = x.size(-1), m = x.elements() / k;
  ctx.prepared.prepare(x.f32(), m, k, k, format, ctx.threads);
  const kernels::PreparedInput::Layout& l = ctx.prepared.layout();
  Tensor y = make_tensor(ctx, x.shape());
  const int64_t group = l.groups > 1 ? format.group : k;
  const auto zero = static_cast<float>(format.zero_point);
  ctx.threads.for_range(m, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const std::byte* from = l.rows.data() + row * l.row_bytes;
      for (int64_t i = 0; i < k; ++i) {
        const float scale = l.groups > 0 ? l.scales.as<float>()[i / group * m + row] : 1.0f;
        const float code =
            l.held == kernels::Arithmetic::int8   ? static_cast<float>(reinterpret_cast<const int8_t*>(from)[i]) - zero
            : l.held == kernels::Arithmetic::bf16 ? bf16_to_float(reinterpret_cast<const uint16_t*>(from)[i])
                                                  : reinterpret_cast<const float*>(from)[i];
        y.f32()[row * k + i] = code * scale;
      }
    }
  });
  return y;
}

void input_gradient(Context& ctx, const Aware& aware, const AwareProduct& product, const Tensor& x,
                    const Tensor& served, Tensor& dx) {
  if (product.low == product.high) return;
  const bool learns = aware.learns_input() && aware.range.seen(), steps = learns && aware.method == AwareMethod::lsq;
  const Ends ends = ends_of(aware.activations->format, product.weight.input_zero_point);
  const float scale = product.weight.input_scale;
  const auto sums = sum_parts(x.elements(), ctx.threads, [&](int64_t begin, int64_t end, std::array<double, 2>& sum) {
    for (int64_t i = begin; i < end; ++i) {
      const float number = x.f32()[i], gradient = dx.f32()[i];
      const bool below = number<product.low, above = number> product.high;
      if (steps) {
        const float term = below ? ends.low : above ? ends.high : (served.f32()[i] - number) / scale;
        sum[0] += static_cast<double>(gradient * term);
      } else if (below || above) {
        sum[above ? 1 : 0] += gradient;
      }
      if (below || above) dx.f32()[i] = 0;
    }
  });
  if (learns) add_to_input(ctx, aware, x.size(-1), sums);
}

void weight_gradient(Context& ctx, const Aware& aware, const AwareProduct& product, const Tensor& value,
                     const Tensor& served, Tensor& dw) {
  if (aware.scales_follow()) return;
  const QTensor& q = product.weight;
  const Tensor w = to_f32(stored(value, aware.dtype));
  const Ends ends = ends_of(q.weights.format, 0);
  const int64_t n = q.rows(), groups = q.scales.size(1);
  std::vector<double> sums(static_cast<size_t>(n * groups));
  ctx.threads.for_range(n, 8, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      for_runs(q, row, [&](int64_t at, int64_t group, int64_t begin, int64_t end) {
        const float scale = q.scales.f32()[at];
        double& sum = sums[static_cast<size_t>(row * groups + group)];
        for (int64_t i = begin; i < end; ++i) {
          const float quotient = w.f32()[i] / scale;
          const bool below = quotient<ends.low - ends.slack, above = quotient> ends.high + ends.slack;
          const float term = below ? ends.low : above ? ends.high : served.f32()[i] / scale - quotient;
          sum += static_cast<double>(dw.f32()[i] * term);
          if (below || above) dw.f32()[i] = 0;
        }
      });
    }
  });
  if (aware.steps.empty()) return;
  const Sharing sharing = sharing_of(q);
  const float factor = gradient_scale(sharing.rows * sharing.columns, q.weights.format);
  float* gradient = ctx.tape->gradient_to_add(ctx, aware.steps).f32();
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t g = 0; g < groups; ++g) {
      gradient[row / sharing.rows * groups + g] +=
          factor * static_cast<float>(sums[static_cast<size_t>(row * groups + g)]);
    }
  }
}

kernels::Misfits input_misfits(Context& ctx, const AwareProduct& product, const Tensor& x) {
  if (!product.weight.activations) return {};
  const Tensor served = served_input(ctx, x, product.input);
  kernels::Misfits counts{x.elements()};
  const bool clips = product.low != product.high;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const float number = x.f32()[i];
    counts.overflow += clips && (number < product.low || number > product.high) ? 1 : 0;
    counts.underflow += number != 0 && served.f32()[i] == 0 ? 1 : 0;
  }
  return counts;
}

kernels::Misfits weight_misfits(Context& ctx, const Aware& aware, const AwareProduct& product, const Tensor& value) {
  const QTensor& q = product.weight;
  const Ends ends = ends_of(q.weights.format, 0);
  const Tensor served = served_values(q, ctx.threads);
  kernels::Misfits counts{value.elements()};
  for (int64_t row = 0; row < q.rows(); ++row) {
    for_runs(q, row, [&](int64_t at, int64_t, int64_t begin, int64_t end) {
      const float low = (ends.low - ends.slack) * q.scales.f32()[at],
                  high = (ends.high + ends.slack) * q.scales.f32()[at];
      for (int64_t i = begin; i < end; ++i) {
        const float number = value.f32()[i];
        counts.overflow += !aware.scales_follow() && (number < low || number > high) ? 1 : 0;
        counts.underflow += number != 0 && served.f32()[i] == 0 ? 1 : 0;
      }
    });
  }
  return counts;
}

}  // namespace octet
