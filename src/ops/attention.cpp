#include "ops/attention.h"

#include "base/error.h"
#include "kernels/gradient/gradient.h"
#include "ops/tape.h"

namespace octet {
namespace {

void check(const Tensor& q, const Tensor& k, const Tensor& v, const WholeAttention& a,
           std::span<const Sequence> sequences) {
  if (a.heads < 1 || a.kv_heads < 1 || a.heads % a.kv_heads != 0) {
    fail("{} attention heads cannot share {} key-value heads; the first must be a multiple of the second", a.heads,
         a.kv_heads);
  }
  const int64_t m = q.size(0);
  if (q.elements() != m * a.heads * a.head_dim || k.elements() != m * a.kv_heads * a.head_dim ||
      v.shape() != k.shape()) {
    fail("queries {}, keys {} and values {} do not go with {} and {} heads of {}", text_of(q.shape()),
         text_of(k.shape()), text_of(v.shape()), a.heads, a.kv_heads, a.head_dim);
  }
  for (const Sequence& s : sequences) {
    if (s.begin < 0 || s.count < 1 || s.begin + s.count > m)
      fail("a sequence of rows {} to {} is not within {} rows", s.begin, s.begin + s.count, m);
  }
}

bool covers(int64_t rows, std::span<const Sequence> sequences) {
  int64_t covered = 0;
  for (const Sequence& s : sequences) covered += s.count;
  return covered == rows;
}

Tensor result_like(Context& ctx, const Tensor& x, bool whole) {
  Tensor y = make_tensor(ctx, x.shape());
  if (!whole) std::memset(y.raw(), 0, static_cast<size_t>(y.bytes()));
  return y;
}

}  // namespace

Tensor attention(Context& ctx, const Tensor& q, const Tensor& k, const Tensor& v, const WholeAttention& shape,
                 std::span<const Sequence> sequences) {
  check(q, k, v, shape, sequences);
  const bool whole = covers(q.size(0), sequences);
  Tensor out = result_like(ctx, q, whole);
  Tensor log_sums = make_tensor(ctx, {q.size(0), shape.heads});
  kernels::attention_forward(shape, sequences, q.f32(), k.f32(), v.f32(), out.f32(), log_sums.f32(), ctx.threads);
  if (on_tape(ctx, {&q, &k, &v})) {
    const Tensor y = out;  // without its place on the tape
    ctx.tape->record(
        out, [q, k, v, y, log_sums, shape, whole, s = std::vector<Sequence>(sequences.begin(), sequences.end())](
                 Context& ctx, const Tensor& dout) {
          Tensor dq = result_like(ctx, q, whole), dk = result_like(ctx, k, whole), dv = result_like(ctx, v, whole);
          kernels::attention_backward(shape, s, q.f32(), k.f32(), v.f32(), y.f32(), log_sums.f32(), dout.f32(),
                                      dq.f32(), dk.f32(), dv.f32(), ctx.threads);
          ctx.tape->add_gradient(ctx, q, std::move(dq));
          ctx.tape->add_gradient(ctx, k, std::move(dk));
          ctx.tape->add_gradient(ctx, v, std::move(dv));
        });
  }
  return out;
}

void rotate(Context& ctx, Tensor& x, int64_t head_dim, const RopeTable& table, std::span<const Sequence> sequences) {
  const int64_t heads = x.elements() / x.size(0) / head_dim;
  for (const Sequence& s : sequences) {
    Tensor rows = x.rows(s.begin, s.count).reshaped({s.count, heads, head_dim});
    table.rotate(ctx, rows);
  }
  if (!on_tape(ctx, {&x})) return;
  ctx.tape->record(x, [place = Place(x), head_dim, heads, table = &table,
                       s = std::vector<Sequence>(sequences.begin(), sequences.end())](Context& ctx, Tensor dx) {
    if (dx.shared()) {
      Tensor own = make_tensor(ctx, dx.shape());
      std::memcpy(own.raw(), dx.raw(), static_cast<size_t>(dx.bytes()));
      dx = std::move(own);
    }
    const int64_t width = heads * head_dim;
    for (const Sequence& sequence : s) {
      ctx.threads.for_range(sequence.count, 16, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          for (int64_t head = 0; head < heads; ++head) {
            table->rotate_back(i, dx.f32() + (sequence.begin + i) * width + head * head_dim);
          }
        }
      });
    }
    ctx.tape->add_gradient(ctx, place, std::move(dx));
  });
}

}  // namespace octet
