#include "kernels/attention/attention.h"

#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernels/attention/attention_list.h"
#include "kernels/attention/cache.h"
#include "kernels/convert/convert.h"

namespace octet::kernels {

std::span<const Kernel<const AttentionKernel>> attention_kernels() {
  static constexpr Kernel<const AttentionKernel> kList[] = {
#if defined(__x86_64__)
    {"avx512_bf16", kAvx512 | kAvx512Bf16 | kAvx512Vbmi | kFastBf16, &kAttentionAvx512Bf16},
    {"avx512", kAvx512, &kAttentionAvx512},
    // Never chosen: tests run it where vdpbf16ps is there and slow.
    {"avx512_bf16_tested", kAvx512 | kAvx512Bf16 | kAvx512Vbmi, &kAttentionAvx512Bf16},
    {"avx2", kAvx2, &kAttentionAvx2},
#elif defined(__aarch64__)
    {"neon", kNeon, &kAttentionNeon},
#endif
    {"reference", 0, &kAttentionReference},
  };
  return kList;
}

namespace {

static_assert(kBlockKeys == kCacheBlock);

constexpr int64_t kTileRows = 48;   // rows (a query of one head each) that share a block read from the cache
constexpr int64_t kChunkRows = 12;  // of those, how many go through scores, softmax and values at a time

struct alignas(64) Line {
  std::byte bytes[64];
};

/// Memory of a thread, grown and kept from call to call.
class Scratch {
 public:
  template <typename T>
  T* take(int64_t count) {
    const size_t lines = (static_cast<size_t>(count) * sizeof(T) + sizeof(Line) - 1) / sizeof(Line);
    if (lines_.size() < lines) lines_.resize(lines);
    return reinterpret_cast<T*>(lines_.data());
  }

 private:
  std::vector<Line> lines_;
};

struct ThreadScratch {
  Scratch queries, query_pairs, k_panel, v_panel, scores, probabilities, sums, states, edge;
};

/// What all tiles of a call share.
struct Job {
  const AttentionKernel& kernel;
  const CacheLayout& layout;
  const CacheShape& shape;
  const AttentionInput& input;
  const std::byte *k_cache, *v_cache;
  float* out;

  int64_t group() const { return input.heads / layout.kv_heads; }
  bool bf16() const { return input.arithmetic == Format::BF16; }
  bool pairs() const { return bf16() && kernel.product_pairs != nullptr; }
};

struct Keys {
  int64_t begin, end;
};

/// A KV head with some consecutive queries: row = query · group + head of the group.
class Tile {
 public:
  Tile(const Job& job, int64_t kv_head, int64_t first_query, int64_t queries, ThreadScratch& scratch);
  void run();

 private:
  Keys seen(int64_t query) const;
  size_t offset_of(int64_t block) const;
  void load(const std::byte* block, bool keys);
  void visit(int64_t block, bool last);
  void rows_see(int64_t first_row, int64_t rows, Keys keys);
  void values(int64_t first_row, int64_t rows, Keys keys);
  void values_of_pairs(int64_t first_row, int64_t rows, Keys keys);
  void edge_pair(int64_t first_row, int64_t rows, int64_t pair, uint32_t kept, const float* correction);
  void write();

  const Job& job_;
  const int64_t kv_head_, first_query_, queries_, rows_, dims_;
  ThreadScratch& scratch_;
  float* q_;                     // [rows, dims]
  uint16_t* q_pairs_ = nullptr;  // the same in BF16
  float* scores_;                // [chunk, 64]
  uint16_t* p_ = nullptr;        // [chunk, 64] in BF16
  float* sums_;                  // [rows, dims]: values summed so far
  float *max_, *sum_, *correction_, *ones_;
  const void *k_ = nullptr, *v_ = nullptr;  // the block's panels, as the products take them
  const float *k_scales_ = nullptr, *v_scales_ = nullptr;
  const char *k_ahead_ = nullptr, *v_ahead_ = nullptr;  // the next block's panels
  int64_t k_step_, v_step_;                             // bytes of a step of depth in them
  float factor_;
};

Tile::Tile(const Job& job, int64_t kv_head, int64_t first_query, int64_t queries, ThreadScratch& scratch)
    : job_(job),
      kv_head_(kv_head),
      first_query_(first_query),
      queries_(queries),
      rows_(queries * job.group()),
      dims_(job.shape.dims),
      scratch_(scratch),
      q_(scratch.queries.take<float>(rows_ * dims_)),
      scores_(scratch.scores.take<float>(kChunkRows * kBlockKeys)),
      sums_(scratch.sums.take<float>(rows_ * dims_)),
      max_(scratch.states.take<float>(3 * rows_ + kChunkRows)),
      sum_(max_ + rows_),
      correction_(sum_ + rows_),
      ones_(correction_ + rows_),
      factor_(job.layout.format == Format::E4M3 ? job.input.scale * job.layout.k_scale : job.input.scale) {
  const auto element = static_cast<int64_t>(job.shape.panel_bytes) / (dims_ * kBlockKeys);
  k_step_ = kBlockKeys * element * (job.pairs() ? 2 : 1);
  v_step_ = dims_ * element * (job.pairs() ? 2 : 1);
  const int64_t d = job.layout.head_dim;
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t query = first_query + row / job.group(), head = kv_head * job.group() + row % job.group();
    std::memcpy(q_ + row * dims_, job.input.q + (query * job.input.heads + head) * d,
                static_cast<size_t>(d) * sizeof(float));
    std::fill(q_ + row * dims_ + d, q_ + (row + 1) * dims_, 0.0f);
  }
  if (job.pairs()) {
    q_pairs_ = scratch.query_pairs.take<uint16_t>(rows_ * dims_);
    to_bf16(q_, rows_ * dims_, q_pairs_);
    p_ = scratch.probabilities.take<uint16_t>(kChunkRows * kBlockKeys);
  } else if (job.bf16()) {
    job.kernel.round(q_, rows_ * dims_, q_);
  }
  std::fill(sums_, sums_ + rows_ * dims_, 0.0f);
  std::fill(max_, max_ + rows_, -std::numeric_limits<float>::infinity());
  std::fill(sum_, sum_ + rows_, 0.0f);
  std::fill(ones_, ones_ + kChunkRows, 1.0f);
}

// The keys a query sees: up to its own position, at most `window` of them.
Keys Tile::seen(int64_t query) const {
  const int64_t end = job_.input.first + first_query_ + query + 1;
  const int64_t window = job_.input.window;
  return {window > 0 && window < end ? end - window : 0, end};
}

void Tile::run() {
  const int64_t first_block = seen(0).begin / kBlockKeys, last_block = (seen(queries_ - 1).end - 1) / kBlockKeys;
  for (int64_t block = first_block; block <= last_block; ++block) visit(block, block == last_block);
  write();
}

size_t Tile::offset_of(int64_t block) const {
  return static_cast<size_t>(kv_head_) * job_.shape.head_bytes + static_cast<size_t>(block) * job_.shape.block_bytes;
}

// Makes the panel of a block ready for the products: as it lies in the cache where that will do.
void Tile::load(const std::byte* block, bool keys) {
  const Stored stored = job_.shape.stored;
  const int64_t depth = keys ? dims_ : kBlockKeys, width = keys ? kBlockKeys : dims_, size = depth * width;
  Scratch& scratch = keys ? scratch_.k_panel : scratch_.v_panel;
  const void*& panel = keys ? k_ : v_;
  (keys ? k_scales_ : v_scales_) =
      stored == Stored::int8 ? reinterpret_cast<const float*>(block + job_.shape.panel_bytes) : nullptr;
  panel = block;
  if (job_.pairs()) {
    if (stored == Stored::bf16) return;
    auto* out = scratch.take<uint16_t>(size);
    job_.kernel.to_pairs(stored, block, depth, width, out);
    panel = out;
    return;
  }
  if (stored == Stored::f32 && !job_.bf16()) return;
  auto* out = scratch.take<float>(size);
  if (stored == Stored::f32) {
    job_.kernel.round(reinterpret_cast<const float*>(block), size, out);
  } else {
    job_.kernel.to_f32(stored, block, depth, width, out);
  }
  panel = out;
}

// Rows that see all of the block share one way of summing it, rows that see a part of it another: which is decided by
// the row's own position, so it is the same whatever tile the row is in.
void Tile::visit(int64_t block, bool last) {
  const size_t at = offset_of(block);
  load(job_.k_cache + at, true);
  const size_t next = last ? at : offset_of(block + 1);
  k_ahead_ = reinterpret_cast<const char*>(job_.k_cache + next);
  v_ahead_ = reinterpret_cast<const char*>(job_.v_cache + next);
  load(job_.v_cache + at, false);
  const int64_t group = job_.group(), start = block * kBlockKeys;
  for (int64_t query = 0; query < queries_;) {
    const auto part = [&](int64_t t) {
      const Keys keys = seen(t);
      return Keys{std::max<int64_t>(keys.begin - start, 0), std::min(keys.end - start, kBlockKeys)};
    };
    const auto whole = [&](Keys keys) { return keys.begin == 0 && keys.end == kBlockKeys; };
    const Keys keys = part(query);
    int64_t next = query + 1;
    while (whole(keys) && next < queries_ && whole(part(next))) ++next;
    if (keys.begin < keys.end) {
      for (int64_t row = query * group; row < next * group; row += kChunkRows) {
        rows_see(row, std::min(kChunkRows, next * group - row), keys);
      }
    }
    query = next;
  }
}

// One step of the online softmax (Milakov, Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135).
void Tile::rows_see(int64_t first_row, int64_t rows, Keys keys) {
  const AttentionKernel& kernel = job_.kernel;
  if (job_.pairs()) {
    kernel.product_pairs(q_pairs_ + first_row * dims_, dims_, static_cast<const uint16_t*>(k_),
                         (job_.layout.head_dim + 1) / 2, kBlockKeys, rows, scores_, kBlockKeys, nullptr, k_ahead_,
                         k_step_);
  } else {
    kernel.product(q_ + first_row * dims_, dims_, static_cast<const float*>(k_), job_.layout.head_dim, kBlockKeys, rows,
                   scores_, kBlockKeys, nullptr, k_ahead_, k_step_);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = first_row + i;
    kernel.softmax({scores_ + i * kBlockKeys, p_ ? p_ + i * kBlockKeys : nullptr, factor_, k_scales_, v_scales_,
                    keys.begin, keys.end, max_ + row, sum_ + row, correction_ + row});
  }
  values(first_row, rows, keys);
}

// Keys that a row does not see are left out, not multiplied by 0: what lies there may be anything.
void Tile::values(int64_t first_row, int64_t rows, Keys keys) {
  if (job_.pairs()) return values_of_pairs(first_row, rows, keys);
  if (job_.bf16()) job_.kernel.round(scores_, rows * kBlockKeys, scores_);
  job_.kernel.product(scores_ + keys.begin, kBlockKeys, static_cast<const float*>(v_) + keys.begin * dims_,
                      keys.end - keys.begin, dims_, rows, sums_ + first_row * dims_, dims_, correction_ + first_row,
                      v_ahead_, v_step_);
}

void Tile::values_of_pairs(int64_t first_row, int64_t rows, Keys keys) {
  const float* correction = correction_ + first_row;
  if (keys.begin % 2) {
    edge_pair(first_row, rows, keys.begin / 2, 0xFFFF0000, correction);
    correction = ones_;
  }
  const int64_t pair = (keys.begin + 1) / 2, pairs = keys.end / 2 - pair;
  if (pairs > 0) {
    job_.kernel.product_pairs(p_ + 2 * pair, kBlockKeys, static_cast<const uint16_t*>(v_) + 2 * pair * dims_, pairs,
                              dims_, rows, sums_ + first_row * dims_, dims_, correction, v_ahead_, v_step_);
    correction = ones_;
  }
  if (keys.end % 2 && keys.end > keys.begin) edge_pair(first_row, rows, keys.end / 2, 0x0000FFFF, correction);
}

// A pair of which only one key is seen; the other's values are taken as 0.
void Tile::edge_pair(int64_t first_row, int64_t rows, int64_t pair, uint32_t kept, const float* correction) {
  auto* edge = scratch_.edge.take<uint32_t>(dims_);
  std::memcpy(edge, static_cast<const uint16_t*>(v_) + 2 * pair * dims_, static_cast<size_t>(dims_) * sizeof(uint32_t));
  for (int64_t i = 0; i < dims_; ++i) edge[i] &= kept;
  job_.kernel.product_pairs(p_ + 2 * pair, kBlockKeys, reinterpret_cast<const uint16_t*>(edge), 1, dims_, rows,
                            sums_ + first_row * dims_, dims_, correction, v_ahead_, v_step_);
}

void Tile::write() {
  const int64_t d = job_.layout.head_dim, group = job_.group();
  const float v_scale = job_.layout.format == Format::E4M3 ? job_.layout.v_scale : 1.0f;
  for (int64_t row = 0; row < rows_; ++row) {
    const float factor = v_scale / sum_[row];
    float* out = job_.out + ((first_query_ + row / group) * job_.input.heads + kv_head_ * group + row % group) * d;
    for (int64_t i = 0; i < d; ++i) out[i] = sums_[row * dims_ + i] * factor;
  }
}

void check(const CacheLayout& layout, const AttentionInput& input) {
  if (input.arithmetic != Format::F32 && input.arithmetic != Format::BF16) {
    fail("attention cannot multiply in {}; it can in F32 and BF16", format_info(input.arithmetic).name);
  }
  if (input.heads < 1 || input.heads % layout.kv_heads != 0) {
    fail("{} attention heads cannot share {} key-value heads; the first must be a multiple of the second", input.heads,
         layout.kv_heads);
  }
  if (input.first < 0 || input.queries < 0 || input.window < 0 || input.queries > layout.capacity ||
      input.first > layout.capacity - input.queries) {
    fail("attention at positions {} to {} with a window of {} goes beyond a key-value cache of {}", input.first,
         input.first + input.queries, input.window, layout.capacity);
  }
}

}  // namespace

void attention_with(const AttentionKernel& kernel, const CacheLayout& layout, const std::byte* k_cache,
                    const std::byte* v_cache, const AttentionInput& input, float* out, Threads& threads) {
  const CacheShape shape = shape_of(layout);
  check(layout, input);
  if (input.queries == 0) return;
  const Job job{kernel, layout, shape, input, k_cache, v_cache, out};
  const int64_t queries = std::max<int64_t>(1, kTileRows / job.group());
  const int64_t tiles = (input.queries + queries - 1) / queries;
  // The last tiles see the most keys: they go first, so that no thread is left with a long one.
  threads.for_range(tiles * layout.kv_heads, 1, [&](int64_t begin, int64_t end) {
    static thread_local ThreadScratch scratch;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = (tiles - 1 - item / layout.kv_heads) * queries;
      Tile(job, item % layout.kv_heads, first, std::min(queries, input.queries - first), scratch).run();
    }
  });
}

void attention(const CacheLayout& layout, const std::byte* k_cache, const std::byte* v_cache,
               const AttentionInput& input, float* out, Threads& threads) {
  static const AttentionKernel& chosen = *choose(attention_kernels()).run;
  attention_with(chosen, layout, k_cache, v_cache, input, out, threads);
}

std::vector<FamilyChoice> explain_attention() {
  return {explain("attention", attention_kernels())};
}

}  // namespace octet::kernels
