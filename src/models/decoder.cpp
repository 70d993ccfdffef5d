#include "models/decoder.h"

#include "base/error.h"
#include "models/rope.h"
#include "ops/attention.h"
#include "ops/elementwise.h"
#include "ops/tape.h"

namespace octet {
namespace {

// [M, heads·head_dim] → RMS norm of each head.
void norm_heads(Context& ctx, Tensor& x, const RmsNorm& norm, int64_t head_dim) {
  if (norm.weight.empty()) return;
  x = rms_norm(ctx, x.reshaped({x.elements() / head_dim, head_dim}), norm).reshaped(x.shape());
}

}  // namespace

Tensor Attention::forward(Context& ctx, const Tensor& x, const RmsNorm& norm, std::span<const Segment> segments) const {
  auto projected = norm_linears(ctx, x, norm, {&q, &k, &v});
  Tensor &queries = projected[0], &keys = projected[1], &values = projected[2];
  norm_heads(ctx, queries, q_norm, head_dim);
  norm_heads(ctx, keys, k_norm, head_dim);
  const bool trained = !segments.empty() && !segments[0].cache;
  return linear(ctx,
                trained ? attend_to_sequences(ctx, queries, keys, values, segments)
                        : attend_to_caches(ctx, queries, keys, values, segments),
                o);
}

Tensor Attention::attend_to_caches(Context& ctx, Tensor& q, Tensor& k, Tensor& v,
                                   std::span<const Segment> segments) const {
  Tensor mixed(q.shape());
  for (const Segment& s : segments) {
    Tensor segment_q = q.rows(s.begin, s.count).reshaped({s.count, heads, head_dim});
    Tensor segment_k = k.rows(s.begin, s.count).reshaped({s.count, kv_heads, head_dim});
    const Tensor segment_v = v.rows(s.begin, s.count).reshaped({s.count, kv_heads, head_dim});
    s.rope->rotate(ctx, segment_q);
    s.rope->rotate(ctx, segment_k);
    if (ctx.observer) ctx.observer->keys_and_values(module, segment_k, segment_v);

    KvCache::Layer& cache = s.cache->layer(layer);
    kernels::append_to_cache(cache.layout, cache.k.raw(), cache.v.raw(), s.first, s.count, segment_k.f32(),
                             segment_v.f32(), ctx.threads);
    kernels::AttentionInput input{segment_q.f32(), s.count, heads, s.first, window};
    input.scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
    input.arithmetic = arithmetic;
    kernels::attention(cache.layout, cache.k.raw(), cache.v.raw(), input, mixed.rows(s.begin, s.count).f32(),
                       ctx.threads);
  }
  return mixed;
}

Tensor Attention::attend_to_sequences(Context& ctx, Tensor& q, Tensor& k, const Tensor& v,
                                      std::span<const Segment> segments) const {
  std::vector<Sequence> sequences;
  for (const Segment& s : segments) sequences.push_back({s.begin, s.count});
  rotate(ctx, q, head_dim, *segments[0].rope, sequences);  // one table, for the longest
  rotate(ctx, k, head_dim, *segments[0].rope, sequences);
  const WholeAttention shape{heads, kv_heads, head_dim, window, 1.0f / std::sqrt(static_cast<float>(head_dim))};
  return octet::attention(ctx, q, k, v, shape, sequences);
}

Tensor Mlp::forward(Context& ctx, const Tensor& x, const RmsNorm& norm) const {
  const auto projected = norm_linears(ctx, x, norm, {&gate, &up});
  return swiglu_linear(ctx, projected[0], projected[1], down);
}

Tensor DecoderLayer::forward(Context& ctx, Tensor x, std::span<const Segment> segments) const {
  add_to(ctx, x, attention.forward(ctx, x, input_norm, segments));
  add_to(ctx, x, mlp.forward(ctx, x, post_attention_norm));
  return x;
}

Tensor Decoder::embed(std::span<const int32_t> tokens) const {
  return embedding_rows(embedding, tokens);
}

Tensor Decoder::forward(Context& ctx, std::span<const Input> batch, LayerOutputs* outputs) const {
  if (!batch.empty() && !batch[0].cache) return forward_whole(ctx, batch, outputs);
  std::vector<int32_t> tokens;
  std::vector<Segment> segments;
  std::vector<RopeTable> ropes;
  ropes.reserve(batch.size());  // segments point into it
  for (const Input& input : batch) {
    const auto count = static_cast<int64_t>(input.tokens.size());
    KvCache& cache = *input.cache;
    if (cache.length() + count > cache.capacity()) {
      fail("the sequence needs {} positions and its cache holds {}", cache.length() + count, cache.capacity());
    }
    const Rope rope = make_rope(config.rope, config.head_dim, config.max_positions, cache.length() + count);
    ropes.emplace_back(rope, cache.length(), count);
    segments.push_back({static_cast<int64_t>(tokens.size()), count, cache.length(), &cache, &ropes.back()});
    tokens.insert(tokens.end(), input.tokens.begin(), input.tokens.end());
  }
  Tensor x = embed(tokens);
  for (const DecoderLayer& layer : layers) x = layer.forward(ctx, std::move(x), segments);
  for (const Segment& s : segments) s.cache->set_length(s.first + s.count);
  return x;
}

Tensor Decoder::forward_whole(Context& ctx, std::span<const Input> batch, LayerOutputs* outputs) const {
  if (!ctx.tape) fail("sequences without a cache are for training");
  std::vector<int32_t> tokens;
  std::vector<Segment> segments;
  int64_t longest = 0;
  for (const Input& input : batch) {
    const auto count = static_cast<int64_t>(input.tokens.size());
    longest = std::max(longest, count);
    segments.push_back({static_cast<int64_t>(tokens.size()), count});
    tokens.insert(tokens.end(), input.tokens.begin(), input.tokens.end());
  }
  if (longest > config.max_positions) {
    fail("a sequence of {} tokens is longer than the model's {} positions", longest, config.max_positions);
  }
  const Rope rope = make_rope(config.rope, config.head_dim, config.max_positions, longest);
  const auto table = std::make_shared<RopeTable>(rope, 0, longest);
  ctx.tape->keep(table);
  for (Segment& s : segments) s.rope = table.get();
  const auto show = [outputs](size_t number, const Tensor& x) {
    if (!outputs) return;
    const auto wanted = outputs->find(static_cast<int64_t>(number));
    if (wanted != outputs->end()) wanted->second = x;
  };
  Tensor x = octet::embedding(ctx, embedding, tokens);
  show(0, x);
  for (size_t i = 0; i < layers.size(); ++i) {
    const DecoderLayer& layer = layers[i];
    const auto run = [&layer, segments](Context& ctx, const Tensor& x) { return layer.forward(ctx, x, segments); };
    x = recompute ? checkpointed(ctx, x, run) : run(ctx, x);
    show(i + 1, x);
  }
  return x;
}

Tensor Decoder::logits(Context& ctx, const Tensor& hidden) const {
  return std::move(norm_linears(ctx, hidden, norm, {&head})[0]);
}

Format Decoder::default_cache_format() const {
  return config.dtype == DType::BF16 ? Format::BF16 : Format::F32;
}

KvCache Decoder::make_cache(Format format, int64_t capacity) const {
  return KvCache(config, format, capacity,
                 format == Format::E4M3 ? std::span(cache_scales) : std::span<const KvScales>());
}

}  // namespace octet
