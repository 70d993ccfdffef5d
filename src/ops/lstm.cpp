#include "ops/lstm.h"

#include "base/error.h"
#include "kernels/gradient/gradient.h"
#include "ops/linear.h"
#include "ops/tape.h"
#include "ops/trained_operand.h"

namespace octet {
namespace {

using kernels::OperandFormat;

float sigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}

/// The products with hidden states, position after position, as the recipe of their weight says. The weight is packed
/// once for all positions.
class Recurrence {
 public:
  Recurrence(Context& ctx, const Weight& weight) : ctx_(ctx), w_(*weight.trained()), values_(w_.value) {}

  /// y [B,4H] = states [B,H] · wᵀ
  void forward(const Tensor& states, uint32_t position, float* y) {
    Matrix x(states);
    const bool see = ctx_.tape && ctx_.tape->recording();
    const OperandFormat left = format_of(ctx_, w_.recipe.x, x, w_.x_amax, see, w_, Role::x, position);
    if (!packed_) right_ = format_of(ctx_, w_.recipe.w, values_, w_.w_amax, see, w_, Role::w);
    pack(values_.rows(), left);
    multiply(x, left, y, w_.value.size(0));
  }
  /// dstates [B,H] = dgates [B,4H] · w
  void backward(const Tensor& dgates, uint32_t position, float* dstates) {
    Matrix dy(dgates);
    const OperandFormat left = format_of(ctx_, w_.recipe.dy, dy, w_.dy_amax, true, w_, Role::dy, position);
    if (!packed_) right_ = format_of(ctx_, w_.recipe.wt, values_, w_.w_amax, false, w_, Role::wt);
    pack(values_.columns(), left);
    multiply(dy, left, dstates, w_.value.size(1));
  }
  /// dw [4H,H] = dgatesᵀ [4H,M] · states [M,H] of all positions.
  Tensor weight_gradient(const Tensor& dgates, const Tensor& states) {
    Matrix dy(dgates), x(states);
    const OperandFormat left = format_of(ctx_, w_.recipe.dyt, dy, w_.dy_amax, false, w_, Role::dyt);
    const OperandFormat right = format_of(ctx_, w_.recipe.xt, x, w_.x_amax, false, w_, Role::xt);
    kernels::pack_operand(packed_weight_, x.columns(), right, left, ctx_.threads);
    kernels::prepare_operand(prepared_, dy.columns(), left, right, ctx_.threads);
    Tensor dw = make_tensor(ctx_, w_.value.shape());
    kernels::multiply(prepared_, packed_weight_, nullptr, dw.f32(), w_.value.size(1), ctx_.threads);
    return dw;
  }

 private:
  void pack(const kernels::OperandSource& source, const OperandFormat& left) {
    if (!packed_) kernels::pack_operand(packed_weight_, source, right_, left, ctx_.threads);
    packed_ = true;
  }
  void multiply(Matrix& x, const OperandFormat& left, float* y, int64_t n) {
    kernels::prepare_operand(prepared_, x.rows(), left, right_, ctx_.threads);
    kernels::multiply(prepared_, packed_weight_, nullptr, y, n, ctx_.threads);
  }
  Context& ctx_;
  TrainedWeight& w_;
  Matrix values_;
  kernels::PreparedInput::Layout prepared_;
  kernels::PackedWeight::Layout packed_weight_;
  OperandFormat right_;
  bool packed_ = false;
};

void check_lengths(const Tensor& x, std::span<const int64_t> lengths) {
  int64_t sum = 0;
  for (const int64_t length : lengths) {
    if (length < 1) fail("a sequence of {} positions cannot be", length);
    sum += length;
  }
  if (lengths.empty() || sum != x.size(0)) fail("{} rows are not sequences of {} positions together", x.size(0), sum);
}

/// Rows of all sequences, position after position, the longest sequences first: those that are still there at a
/// position are its first ones.
class Positions {
 public:
  explicit Positions(std::span<const int64_t> lengths) {
    std::vector<size_t> order(lengths.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lengths[a] > lengths[b]; });
    const int64_t longest = lengths[order[0]];
    begins_.push_back(0);
    for (int64_t t = 0, n = static_cast<int64_t>(order.size()); t < longest; ++t) {
      while (lengths[order[static_cast<size_t>(n - 1)]] <= t) --n;
      begins_.push_back(begins_.back() + n);
    }
    std::vector<int64_t> ranks(order.size());
    for (size_t i = 0; i < order.size(); ++i) ranks[order[i]] = static_cast<int64_t>(i);
    for (size_t i = 0; i < lengths.size(); ++i) {
      for (int64_t t = 0; t < lengths[i]; ++t) places_.push_back(begin(t) + ranks[i]);
    }
  }
  int64_t count() const { return static_cast<int64_t>(begins_.size()) - 1; }
  int64_t begin(int64_t t) const { return begins_[static_cast<size_t>(t)]; }
  int64_t rows(int64_t t) const { return begin(t + 1) - begin(t); }
  int64_t all_rows() const { return begins_.back(); }

  /// [M,n] from sequence after sequence, or back.
  Tensor arranged(Context& ctx, const Tensor& x, bool back) const {
    const int64_t n = x.size(-1);
    Tensor y = make_tensor(ctx, {all_rows(), n});
    for (size_t i = 0; i < places_.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const float* from = x.f32() + (back ? places_[i] : at) * n;
      std::memcpy(y.f32() + (back ? at : places_[i]) * n, from, static_cast<size_t>(n) * sizeof(float));
    }
    return y;
  }

 private:
  std::vector<int64_t> begins_;  // [T+1]
  std::vector<int64_t> places_;  // of each row as sequences lie one after another
};

/// What the way back needs of each position: gates after their functions [M,4H], cells and hidden states [M,H].
struct Run {
  Positions positions;
  int64_t h;
  Tensor gates, cells, states;
};

/// A position of all sequences: its gates hold the input's products already.
void forward_position(Context& ctx, Run& run, const Lstm& w, int64_t t, const Tensor& from_hidden) {
  const int64_t h = run.h, begin = run.positions.begin(t);
  const int64_t before = t > 0 ? run.positions.begin(t - 1) : 0;
  const float* bias = w.hidden.bias().f32();
  ctx.threads.for_range(run.positions.rows(t), 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      float* g = run.gates.f32() + (begin + b) * 4 * h;
      float *cells = run.cells.f32() + (begin + b) * h, *states = run.states.f32() + (begin + b) * h;
      for (int64_t i = 0; i < 4 * h; ++i) g[i] += bias[i] + (t > 0 ? from_hidden.f32()[b * 4 * h + i] : 0);
      for (int64_t i = 0; i < h; ++i) {
        const float in = sigmoid(g[i]), forget = sigmoid(g[h + i]), cell = std::tanh(g[2 * h + i]),
                    out = sigmoid(g[3 * h + i]);
        g[i] = in, g[h + i] = forget, g[2 * h + i] = cell, g[3 * h + i] = out;
        cells[i] = forget * (t > 0 ? run.cells.f32()[(before + b) * h + i] : 0) + in * cell;
        states[i] = out * std::tanh(cells[i]);
      }
    }
  });
}

/// dstate and dcell [B,H] of position t become the gradients of its gates, and dcell that of the position before.
void backward_position(Context& ctx, const Run& run, int64_t t, const Tensor& dstate, Tensor& dcell, float* dgates) {
  const int64_t h = run.h, begin = run.positions.begin(t);
  const int64_t before = t > 0 ? run.positions.begin(t - 1) : 0;
  ctx.threads.for_range(run.positions.rows(t), 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const float *g = run.gates.f32() + (begin + b) * 4 * h, *cells = run.cells.f32() + (begin + b) * h;
      float* dg = dgates + b * 4 * h;
      for (int64_t i = 0; i < h; ++i) {
        const float in = g[i], forget = g[h + i], cell = g[2 * h + i], out = g[3 * h + i];
        const float old = t > 0 ? run.cells.f32()[(before + b) * h + i] : 0, c = std::tanh(cells[i]);
        const float ds = dstate.f32()[b * h + i];
        const float dc = dcell.f32()[b * h + i] + ds * out * (1 - c * c);
        dg[i] = dc * cell * in * (1 - in);
        dg[h + i] = dc * old * forget * (1 - forget);
        dg[2 * h + i] = dc * in * (1 - cell * cell);
        dg[3 * h + i] = ds * c * out * (1 - out);
        dcell.f32()[b * h + i] = dc * forget;
      }
    }
  });
}

/// The states that the positions from the second on began with, row by row.
Tensor states_before(Context& ctx, const Run& run) {
  const Positions& p = run.positions;
  Tensor y = make_tensor(ctx, {p.all_rows() - p.rows(0), run.h});
  for (int64_t t = 1; t < p.count(); ++t) {
    std::memcpy(y.f32() + (p.begin(t) - p.rows(0)) * run.h, run.states.f32() + p.begin(t - 1) * run.h,
                static_cast<size_t>(p.rows(t) * run.h) * sizeof(float));
  }
  return y;
}

void backward(Context& ctx, const Run& run, const Lstm& w, const Place& gates, const Tensor& dy) {
  const Positions& p = run.positions;
  const int64_t h = run.h, batch = p.rows(0);
  const Tensor dstates = p.arranged(ctx, dy, false);
  Tensor dgates = make_tensor(ctx, {p.all_rows(), 4 * h});
  Tensor dstate = make_tensor(ctx, {batch, h}), dcell = make_tensor(ctx, {batch, h}),
         carried = make_tensor(ctx, {batch, h});
  std::memset(dcell.raw(), 0, static_cast<size_t>(dcell.bytes()));
  Recurrence recurrence(ctx, w.hidden);
  for (int64_t t = p.count() - 1; t >= 0; --t) {
    const int64_t rows = p.rows(t), later = t + 1 < p.count() ? p.rows(t + 1) : 0;
    const float* own = dstates.f32() + p.begin(t) * h;
    for (int64_t i = 0; i < rows * h; ++i) dstate.f32()[i] = own[i] + (i < later * h ? carried.f32()[i] : 0);
    backward_position(ctx, run, t, dstate, dcell, dgates.f32() + p.begin(t) * 4 * h);
    if (t > 0) recurrence.backward(dgates.rows(p.begin(t), rows), static_cast<uint32_t>(t), carried.f32());
  }
  const Tensor& hidden = w.hidden.trained()->value;
  if (hidden.node() >= 0 && p.count() > 1) {
    const Tensor later = dgates.rows(batch, p.all_rows() - batch);
    ctx.tape->add_gradient(ctx, hidden, recurrence.weight_gradient(later, states_before(ctx, run)));
  }
  if (w.hidden.bias().node() >= 0) {
    Tensor db = ctx.tape->gradient_to_add(ctx, w.hidden.bias());
    const auto add_row = [&](int64_t row, float* sum) {
      kernels::gradient_kernel().add(dgates.f32() + row * 4 * h, 4 * h, sum);
    };
    kernels::sum_rows(p.all_rows(), 4 * h, add_row, db.f32(), ctx.threads);
  }
  ctx.tape->add_gradient(ctx, gates, p.arranged(ctx, dgates, true));
}

}  // namespace

Tensor lstm(Context& ctx, const Tensor& x, std::span<const int64_t> lengths, const Lstm& w) {
  check_lengths(x, lengths);
  const int64_t rows = x.size(0), h = w.hidden.columns();
  const Tensor projected = linear(ctx, x, w.input);
  Positions positions(lengths);
  const Tensor gates = positions.arranged(ctx, projected, false);
  Run run{std::move(positions), h, gates, make_tensor(ctx, {rows, h}), make_tensor(ctx, {rows, h})};
  Tensor from_hidden = make_tensor(ctx, {run.positions.rows(0), 4 * h});
  Recurrence recurrence(ctx, w.hidden);
  for (int64_t t = 0; t < run.positions.count(); ++t) {
    if (t > 0) {
      const Tensor before = run.states.rows(run.positions.begin(t - 1), run.positions.rows(t));
      recurrence.forward(before, static_cast<uint32_t>(t), from_hidden.f32());
    }
    forward_position(ctx, run, w, t, from_hidden);
  }
  Tensor y = run.positions.arranged(ctx, run.states, true);
  if (on_tape(ctx, {&projected, &w.hidden.trained()->value, &w.hidden.bias()})) {
    ctx.tape->record(
        y, [run, w, gates = Place(projected)](Context& ctx, const Tensor& dy) { backward(ctx, run, w, gates, dy); });
  }
  return y;
}

namespace {

/// Row b of the result is the mean of x's rows [begins[b], ends[b]).
Tensor pooled(Context& ctx, const Tensor& x, std::vector<int64_t> begins, std::vector<int64_t> ends) {
  const auto batch = static_cast<int64_t>(begins.size());
  const int64_t d = x.size(-1);
  Tensor y = make_tensor(ctx, {batch, d});
  std::memset(y.raw(), 0, static_cast<size_t>(y.bytes()));
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t begin = begins[static_cast<size_t>(b)], end = ends[static_cast<size_t>(b)];
    float* to = y.f32() + b * d;
    for (int64_t row = begin; row < end; ++row) kernels::gradient_kernel().add(x.f32() + row * d, d, to);
    kernels::gradient_kernel().scale(to, 1 / static_cast<float>(end - begin), d, to);
  }
  if (on_tape(ctx, {&x})) {
    ctx.tape->record(y, [place = Place(x), begins, ends, batch, d](Context& ctx, const Tensor& dy) {
      Tensor dx = make_tensor(ctx, place.shape);
      std::memset(dx.raw(), 0, static_cast<size_t>(dx.bytes()));
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t begin = begins[static_cast<size_t>(b)], end = ends[static_cast<size_t>(b)];
        const float share = 1 / static_cast<float>(end - begin);
        for (int64_t row = begin; row < end; ++row)
          kernels::gradient_kernel().scale(dy.f32() + b * d, share, d, dx.f32() + row * d);
      }
      ctx.tape->add_gradient(ctx, place, std::move(dx));
    });
  }
  return y;
}

std::vector<int64_t> ends_of(std::span<const int64_t> lengths) {
  std::vector<int64_t> ends;
  int64_t end = 0;
  for (const int64_t length : lengths) ends.push_back(end += length);
  return ends;
}

}  // namespace

Tensor last_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths) {
  check_lengths(x, lengths);
  std::vector<int64_t> ends = ends_of(lengths), begins = ends;
  for (int64_t& begin : begins) --begin;
  return pooled(ctx, x, std::move(begins), std::move(ends));
}

Tensor mean_positions(Context& ctx, const Tensor& x, std::span<const int64_t> lengths) {
  check_lengths(x, lengths);
  std::vector<int64_t> ends = ends_of(lengths), begins = ends;
  for (size_t i = 0; i < begins.size(); ++i) begins[i] -= lengths[i];
  return pooled(ctx, x, std::move(begins), std::move(ends));
}

}  // namespace octet
