#include "ops/lstm.h"

#include "base/error.h"
#include "kernels/gradient/gradient.h"
#include "ops/linear.h"
#include "ops/operands.h"
#include "ops/tape.h"

namespace octet {
namespace {

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// y [M,N] = a [M,K] · b [N,K]ᵀ, each as it lies or transposed.
void product(Context& ctx, const kernels::OperandSource& a, const kernels::OperandSource& b, float* y) {
  static thread_local kernels::PreparedInput::Layout left;
  static thread_local kernels::PackedWeight::Layout right;
  kernels::pack_operand(right, b, {}, {}, ctx.threads);
  kernels::prepare_operand(left, a, {}, {}, ctx.threads);
  kernels::multiply(left, right, nullptr, y, b.lines(), ctx.threads);
}

/// What the way back needs of each position: gates after their functions [T,B,4H], cells [T,B,H] and hidden states.
struct Run {
  int64_t batch, steps, h;
  Tensor gates, cells, states;  // position-major
};

/// A position of all sequences: gates [B,4H] hold the input's products already.
void forward_position(Context& ctx, const Run& run, const Lstm& w, int64_t t, const Tensor& from_hidden) {
  const int64_t h = run.h, size = run.batch * h;
  ctx.threads.for_range(run.batch, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      float* g = const_cast<float*>(run.gates.f32()) + (t * run.batch + b) * 4 * h;
      for (int64_t i = 0; i < 4 * h; ++i) g[i] += w.bias.f32()[i] + (t > 0 ? from_hidden.f32()[b * 4 * h + i] : 0);
      for (int64_t i = 0; i < h; ++i) {
        const float in = sigmoid(g[i]), forget = sigmoid(g[h + i]), cell = std::tanh(g[2 * h + i]),
                    out = sigmoid(g[3 * h + i]);
        g[i] = in, g[h + i] = forget, g[2 * h + i] = cell, g[3 * h + i] = out;
        const int64_t at = t * size + b * h + i;
        const float before = t > 0 ? run.cells.f32()[at - size] : 0;
        const float c = forget * before + in * cell;
        const_cast<float*>(run.cells.f32())[at] = c;
        const_cast<float*>(run.states.f32())[at] = out * std::tanh(c);
      }
    }
  });
}

/// dstate and dcell [B,H] of position t become the gradients of its gates, and dcell that of the position before.
void backward_position(Context& ctx, const Run& run, int64_t t, const Tensor& dstate, Tensor& dcell, float* dgates) {
  const int64_t h = run.h, size = run.batch * h;
  ctx.threads.for_range(run.batch, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const float* g = run.gates.f32() + (t * run.batch + b) * 4 * h;
      float* dg = dgates + b * 4 * h;
      for (int64_t i = 0; i < h; ++i) {
        const int64_t at = t * size + b * h + i;
        const float in = g[i], forget = g[h + i], cell = g[2 * h + i], out = g[3 * h + i];
        const float before = t > 0 ? run.cells.f32()[at - size] : 0, c = std::tanh(run.cells.f32()[at]);
        const float ds = dstate.f32()[b * h + i];
        const float dc = dcell.f32()[b * h + i] + ds * out * (1 - c * c);
        dg[i] = dc * cell * in * (1 - in);
        dg[h + i] = dc * before * forget * (1 - forget);
        dg[2 * h + i] = dc * in * (1 - cell * cell);
        dg[3 * h + i] = ds * c * out * (1 - out);
        dcell.f32()[b * h + i] = dc * forget;
      }
    }
  });
}

/// [B,T,n] to [T,B,n], or back with the sizes exchanged.
Tensor exchanged(Context& ctx, const Tensor& x, int64_t first, int64_t second) {
  const int64_t n = x.elements() / (first * second);
  Tensor y = make_tensor(ctx, {first * second, n});
  for (int64_t i = 0; i < first; ++i) {
    for (int64_t j = 0; j < second; ++j) {
      std::memcpy(y.f32() + (j * first + i) * n, x.f32() + (i * second + j) * n,
                  static_cast<size_t>(n) * sizeof(float));
    }
  }
  return y;
}

void backward(Context& ctx, const Run& run, const Lstm& w, const Place& gates, const Tensor& dy) {
  const int64_t b = run.batch, h = run.h, t_count = run.steps;
  const Tensor dstates = exchanged(ctx, dy, b, t_count);
  Tensor dgates = make_tensor(ctx, {t_count * b, 4 * h});
  Tensor dstate = make_tensor(ctx, {b, h}), dcell = make_tensor(ctx, {b, h}), carried = make_tensor(ctx, {b, h});
  std::memset(dcell.raw(), 0, static_cast<size_t>(dcell.bytes()));
  for (int64_t t = t_count - 1; t >= 0; --t) {
    for (int64_t i = 0; i < b * h; ++i) {
      dstate.f32()[i] = dstates.f32()[t * b * h + i] + (t + 1 < t_count ? carried.f32()[i] : 0);
    }
    float* dg = dgates.f32() + t * b * 4 * h;
    backward_position(ctx, run, t, dstate, dcell, dg);
    if (t > 0) product(ctx, {dg, b, 4 * h}, {w.hidden.f32(), 4 * h, h, true}, carried.f32());
  }
  if (w.hidden.node() >= 0 && t_count > 1) {
    Tensor dw = make_tensor(ctx, w.hidden.shape());
    const int64_t rows = (t_count - 1) * b;
    product(ctx, {dgates.f32() + b * 4 * h, rows, 4 * h, true}, {run.states.f32(), rows, h, true}, dw.f32());
    ctx.tape->add_gradient(ctx, w.hidden, std::move(dw));
  }
  if (w.bias.node() >= 0) {
    Tensor db = ctx.tape->gradient_to_add(ctx, w.bias);
    const auto add_row = [&](int64_t row, float* sum) {
      kernels::gradient_kernel().add(dgates.f32() + row * 4 * h, 4 * h, sum);
    };
    kernels::sum_rows(t_count * b, 4 * h, add_row, db.f32(), ctx.threads);
  }
  ctx.tape->add_gradient(ctx, gates, exchanged(ctx, dgates, t_count, b));
}

}  // namespace

Tensor lstm(Context& ctx, const Tensor& x, int64_t batch, const Lstm& w) {
  const int64_t rows = x.size(0), h = w.hidden.size(1);
  if (batch < 1 || rows % batch != 0) fail("{} rows are not {} sequences of one length", rows, batch);
  const Tensor projected = linear(ctx, x, w.input);
  Run run{batch,
          rows / batch,
          h,
          exchanged(ctx, projected, batch, rows / batch),
          make_tensor(ctx, {rows, h}),
          make_tensor(ctx, {rows, h})};
  Tensor from_hidden = make_tensor(ctx, {batch, 4 * h});
  for (int64_t t = 0; t < run.steps; ++t) {
    if (t > 0) {
      product(ctx, {run.states.f32() + (t - 1) * batch * h, batch, h}, {w.hidden.f32(), 4 * h, h}, from_hidden.f32());
    }
    forward_position(ctx, run, w, t, from_hidden);
  }
  Tensor y = exchanged(ctx, run.states, run.steps, batch);
  if (on_tape(ctx, {&projected, &w.hidden, &w.bias})) {
    ctx.tape->record(
        y, [run, w, gates = Place(projected)](Context& ctx, const Tensor& dy) { backward(ctx, run, w, gates, dy); });
  }
  return y;
}

namespace {

/// Rows of the result are sums of x's rows [begins[b], ends[b]) of sequence b times factors[b].
Tensor pooled(Context& ctx, const Tensor& x, std::vector<int64_t> begins, std::vector<int64_t> ends) {
  const auto batch = static_cast<int64_t>(begins.size());
  const int64_t d = x.size(-1), length = x.size(0) / batch;
  for (int64_t b = 0; b < batch; ++b) {
    const auto i = static_cast<size_t>(b);
    if (begins[i] < 0 || ends[i] <= begins[i] || ends[i] > length)
      fail("a sequence of {} positions is not within {}", ends[i], length);
  }
  Tensor y = make_tensor(ctx, {batch, d});
  std::memset(y.raw(), 0, static_cast<size_t>(y.bytes()));
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t begin = begins[static_cast<size_t>(b)], end = ends[static_cast<size_t>(b)];
    for (int64_t t = begin; t < end; ++t)
      kernels::gradient_kernel().add(x.f32() + (b * length + t) * d, d, y.f32() + b * d);
    kernels::gradient_kernel().scale(y.f32() + b * d, 1 / static_cast<float>(end - begin), d, y.f32() + b * d);
  }
  if (on_tape(ctx, {&x})) {
    ctx.tape->record(y, [place = Place(x), begins, ends, batch, length, d](Context& ctx, const Tensor& dy) {
      Tensor dx = make_tensor(ctx, place.shape);
      std::memset(dx.raw(), 0, static_cast<size_t>(dx.bytes()));
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t begin = begins[static_cast<size_t>(b)], end = ends[static_cast<size_t>(b)];
        for (int64_t t = begin; t < end; ++t) {
          kernels::gradient_kernel().scale(dy.f32() + b * d, 1 / static_cast<float>(end - begin), d,
                                           dx.f32() + (b * length + t) * d);
        }
      }
      ctx.tape->add_gradient(ctx, place, std::move(dx));
    });
  }
  return y;
}

}  // namespace

Tensor last_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths) {
  std::vector<int64_t> begins(lengths.begin(), lengths.end()), ends = begins;
  for (int64_t& begin : begins) --begin;
  return pooled(ctx, x, std::move(begins), std::move(ends));
}

Tensor mean_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths) {
  return pooled(ctx, x, std::vector<int64_t>(lengths.size(), 0), {lengths.begin(), lengths.end()});
}

}  // namespace octet
