// A task is a key-value head of a sequence. Queries and keys meet in blocks of 64 x 64; the products are those of
// kernels/attention, the blocks lie as these read them: [depth,width], width a multiple of 16.
#include "kernels/gradient/attention_gradient.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/attention/attention_list.h"
#include "kernels/gemm/buffer.h"
#include "kernels/gradient/gradient.h"
#include "kernels/operand/list.h"

namespace octet::kernels {
namespace {

constexpr int64_t kBlock = kBlockKeys;

const AttentionKernel& attention_kernel() {
  static const AttentionKernel& chosen = *choose(attention_kernels()).run;
  return chosen;
}

void transpose(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to, int64_t to_stride) {
  operand_kernel().transpose(reinterpret_cast<const uint32_t*>(from), from_stride, rows, columns,
                             reinterpret_cast<uint32_t*>(to), to_stride);
}

/// Blocks of one matrix of a task, zero beyond its rows and columns.
struct Blocks {
  float* at;
  int64_t size;
  float* block(int64_t i) const { return at + i * size; }
};

/// Memory of a thread.
class Scratch {
 public:
  void reserve(int64_t floats) { buffer_.grow(static_cast<size_t>(floats) * sizeof(float)), used_ = 0; }
  float* take(int64_t floats) {
    float* at = buffer_.as<float>() + used_;
    used_ += (floats + 15) / 16 * 16;
    return at;
  }
  Blocks blocks(int64_t count, int64_t size) { return {take(count * size), size}; }

 private:
  Buffer buffer_;
  int64_t used_ = 0;
};

class Task {
 public:
  Task(const WholeAttention& a, Sequence s, int64_t kv_head, Scratch& scratch)
      : a_(a),
        s_(s),
        kv_head_(kv_head),
        d_(a.head_dim),
        width_((d_ + 15) / 16 * 16),
        blocks_((s.count + kBlock - 1) / kBlock),
        scratch_(scratch) {
    std::fill(ones_, ones_ + kBlock, 1.0f);
  }

  void forward(const float* q, const float* k, const float* v, float* out, float* log_sums) {
    scratch_.reserve(2 * blocks_ * kBlock * width_ + kBlock * (kBlock + width_ + 4));
    const Blocks keys = across(k), values = down(v, a_.kv_heads, kv_head_);
    float *scores = scratch_.take(kBlock * kBlock), *sums = scratch_.take(kBlock * width_);
    for (int64_t head = first_head(); head < last_head(); ++head) {
      for (int64_t i = 0; i < blocks_; ++i) forward_block(q, keys, values, head, i, scores, sums, out, log_sums);
    }
  }

  struct Backward {
    const float *q, *k, *v, *out, *log_sums, *dout;
    float *dq, *dk, *dv;
  };
  void backward(const Backward& b) {
    scratch_.reserve(8 * blocks_ * kBlock * width_ + 4 * kBlock * kBlock + s_.count + 64);
    const Blocks keys_across = across(b.k), values_across = across(b.v), keys = down(b.k, a_.kv_heads, kv_head_);
    const Blocks dk = zeros(), dv = zeros();
    const Blocks queries = empty(), douts = empty(), dq = empty();
    float* delta = scratch_.take(s_.count);
    Squares squares{scratch_.take(kBlock * kBlock), scratch_.take(kBlock * kBlock), scratch_.take(kBlock * kBlock)};
    for (int64_t head = first_head(); head < last_head(); ++head) {
      fill_down(queries, b.q, a_.heads, head);
      fill_down(douts, b.dout, a_.heads, head);
      std::fill(dq.at, dq.at + blocks_ * dq.size, 0.0f);
      for (int64_t i = 0; i < s_.count; ++i) {
        delta[i] = gradient_kernel().dot(row(b.dout, a_.heads, i, head), row(b.out, a_.heads, i, head), d_);
      }
      for (int64_t i = 0; i < blocks_; ++i) {
        for (int64_t j = first_block(i); j < end_block(i); ++j) {
          make_squares(b, squares, queries.block(i), douts.block(i), keys_across.block(j), values_across.block(j),
                       delta, head, i, j);
          // dq += ds · k, dk += dsᵀ · q, dv += pᵀ · dout
          add_product(squares.ds, keys.block(j), dq.block(i));
          transpose(squares.ds, kBlock, kBlock, kBlock, squares.turned, kBlock);
          add_product(squares.turned, queries.block(i), dk.block(j));
          transpose(squares.p, kBlock, kBlock, kBlock, squares.turned, kBlock);
          add_product(squares.turned, douts.block(i), dv.block(j));
        }
      }
      write(dq, b.dq, a_.heads, head);
    }
    write(dk, b.dk, a_.kv_heads, kv_head_);
    write(dv, b.dv, a_.kv_heads, kv_head_);
  }

 private:
  struct Squares {
    float *p, *ds, *turned;  // [64,64] each
  };

  int64_t group() const { return a_.heads / a_.kv_heads; }
  int64_t first_head() const { return kv_head_ * group(); }
  int64_t last_head() const { return first_head() + group(); }

  template <typename T>
  T* row(T* x, int64_t heads, int64_t i, int64_t head) const {
    return x + ((s_.begin + i) * heads + head) * d_;
  }
  int64_t first_key(int64_t query) const { return a_.window > 0 ? std::max<int64_t>(0, query + 1 - a_.window) : 0; }
  int64_t end_key(int64_t query) const { return a_.causal ? query + 1 : s_.count; }
  int64_t rows_of(int64_t block) const { return std::min(kBlock, s_.count - block * kBlock); }
  int64_t first_block(int64_t i) const { return first_key(i * kBlock) / kBlock; }
  int64_t end_block(int64_t i) const { return a_.causal ? i + 1 : blocks_; }

  Blocks empty() { return scratch_.blocks(blocks_, kBlock * width_); }
  Blocks zeros() {
    const Blocks b = empty();
    std::fill(b.at, b.at + blocks_ * b.size, 0.0f);
    return b;
  }
  /// [64,width] a block.
  void fill_down(const Blocks& b, const float* x, int64_t heads, int64_t head) const {
    for (int64_t i = 0; i < blocks_ * kBlock; ++i) {
      float* to = b.at + i * width_;
      if (i < s_.count) std::memcpy(to, row(x, heads, i, head), static_cast<size_t>(d_) * sizeof(float));
      const int64_t there = i < s_.count ? d_ : 0;
      std::fill(to + there, to + width_, 0.0f);
    }
  }
  Blocks down(const float* x, int64_t heads, int64_t head) {
    const Blocks b = empty();
    fill_down(b, x, heads, head);
    return b;
  }
  /// [head_dim,64] a block, of keys or values.
  Blocks across(const float* x) {
    const Blocks b = empty();
    for (int64_t i = 0; i < blocks_; ++i) {
      if (rows_of(i) < kBlock) std::fill(b.block(i), b.block(i) + b.size, 0.0f);
      transpose(row(x, a_.kv_heads, i * kBlock, kv_head_), a_.kv_heads * d_, rows_of(i), d_, b.block(i), kBlock);
    }
    return b;
  }
  void write(const Blocks& b, float* x, int64_t heads, int64_t head) const {
    for (int64_t i = 0; i < s_.count; ++i) {
      std::memcpy(row(x, heads, i, head), b.at + i * width_, static_cast<size_t>(d_) * sizeof(float));
    }
  }

  /// c [64,width] += a [64,64] · b [64,width]
  void add_product(const float* a, const float* b, float* c) const {
    attention_kernel().product(a, kBlock, b, kBlock, width_, kBlock, c, width_, ones_, reinterpret_cast<const char*>(b),
                               0);
  }

  void forward_block(const float* q, const Blocks& keys, const Blocks& values, int64_t head, int64_t i, float* scores,
                     float* sums, float* out, float* log_sums) const {
    const AttentionKernel& kernel = attention_kernel();
    const int64_t rows = rows_of(i);
    float max[kBlock], sum[kBlock], correction[kBlock];
    std::fill(max, max + kBlock, -std::numeric_limits<float>::infinity());
    std::fill(sum, sum + kBlock, 0.0f);
    std::fill(sums, sums + kBlock * width_, 0.0f);
    for (int64_t j = first_block(i); j < end_block(i); ++j) {
      kernel.product(row(q, a_.heads, i * kBlock, head), a_.heads * d_, keys.block(j), d_, kBlock, rows, scores, kBlock,
                     nullptr, reinterpret_cast<const char*>(keys.block(j)), 0);
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t query = i * kBlock + r;
        const int64_t begin = std::max<int64_t>(first_key(query) - j * kBlock, 0);
        const int64_t end = std::min(end_key(query) - j * kBlock, rows_of(j));
        if (begin >= end) {
          std::fill(scores + r * kBlock, scores + (r + 1) * kBlock, 0.0f);
          correction[r] = 1;
          continue;
        }
        kernel.softmax(
            {scores + r * kBlock, nullptr, a_.scale, nullptr, nullptr, begin, end, max + r, sum + r, correction + r});
      }
      kernel.product(scores, kBlock, values.block(j), kBlock, width_, rows, sums, width_, correction,
                     reinterpret_cast<const char*>(values.block(j)), 0);
    }
    for (int64_t r = 0; r < rows; ++r) {
      gradient_kernel().scale(sums + r * width_, 1 / sum[r], d_, row(out, a_.heads, i * kBlock + r, head));
      log_sums[(s_.begin + i * kBlock + r) * a_.heads + head] = max[r] + std::log(sum[r]);
    }
  }

  /// p = exp(q · kᵀ · scale - log sum), ds = p · (dout · vᵀ - delta) · scale; 0 where a query sees no key.
  void make_squares(const Backward& b, const Squares& s, const float* q, const float* dout, const float* keys,
                    const float* values, const float* delta, int64_t head, int64_t i, int64_t j) const {
    const AttentionKernel& kernel = attention_kernel();
    const int64_t rows = rows_of(i);
    kernel.product(q, width_, keys, d_, kBlock, rows, s.p, kBlock, nullptr, reinterpret_cast<const char*>(keys), 0);
    kernel.product(dout, width_, values, d_, kBlock, rows, s.ds, kBlock, nullptr, reinterpret_cast<const char*>(values),
                   0);
    for (int64_t r = 0; r < kBlock; ++r) {
      float *p = s.p + r * kBlock, *ds = s.ds + r * kBlock;
      const int64_t query = i * kBlock + r;
      const int64_t begin = std::max<int64_t>(first_key(query) - j * kBlock, 0);
      const int64_t end = std::max(begin, r < rows ? std::min(end_key(query) - j * kBlock, rows_of(j)) : 0);
      if (begin < end) {
        const float log_sum = b.log_sums[(s_.begin + query) * a_.heads + head];
        gradient_kernel().exp(p, a_.scale, log_sum, kBlock, p);
        gradient_kernel().softmax(p, ds, delta[query], a_.scale, kBlock, ds);
      }
      for (float* x : {p, ds}) {
        std::fill(x, x + std::min(begin, kBlock), 0.0f);
        std::fill(x + std::min(end, kBlock), x + kBlock, 0.0f);
      }
    }
  }

  const WholeAttention& a_;
  const Sequence s_;
  const int64_t kv_head_, d_, width_, blocks_;
  Scratch& scratch_;
  float ones_[kBlock];
};

template <typename Run>
void for_tasks(const WholeAttention& a, std::span<const Sequence> sequences, Threads& threads, const Run& run) {
  const auto tasks = static_cast<int64_t>(sequences.size()) * a.kv_heads;
  threads.for_range(tasks, 1, [&](int64_t begin, int64_t end) {
    thread_local Scratch scratch;
    for (int64_t i = begin; i < end; ++i) {
      Task task(a, sequences[static_cast<size_t>(i / a.kv_heads)], i % a.kv_heads, scratch);
      run(task);
    }
  });
}

}  // namespace

void attention_forward(const WholeAttention& a, std::span<const Sequence> sequences, const float* q, const float* k,
                       const float* v, float* out, float* log_sums, Threads& threads) {
  for_tasks(a, sequences, threads, [&](Task& task) { task.forward(q, k, v, out, log_sums); });
}

void attention_backward(const WholeAttention& a, std::span<const Sequence> sequences, const float* q, const float* k,
                        const float* v, const float* out, const float* log_sums, const float* dout, float* dq,
                        float* dk, float* dv, Threads& threads) {
  for_tasks(a, sequences, threads, [&](Task& task) { task.backward({q, k, v, out, log_sums, dout, dq, dk, dv}); });
}

}  // namespace octet::kernels
