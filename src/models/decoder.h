#pragma once
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "models/config.h"
#include "models/kv_cache.h"
#include "ops/context.h"
#include "ops/linear.h"
#include "ops/rope.h"

namespace octet {

/// Rows [begin, begin + count) of x belong to one sequence and stand at its positions first … first+count-1.
struct Segment {
  int64_t begin = 0, count = 0, first = 0;
  KvCache* cache = nullptr;  // nullptr: it is trained on, whole
  const RopeTable* rope = nullptr;
};

/// Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) with rope, and q/k norms where the family has them.
struct Attention {
  std::string module;  // "model.layers.3.self_attn"
  int64_t layer = 0, heads = 0, kv_heads = 0, head_dim = 0, window = 0;
  Weight q, k, v, o;
  RmsNorm q_norm, k_norm;  // weight empty: none
  Format arithmetic = Format::F32;

  /// x [M,D] before `norm` → [M,D]; appends K and V of every segment to its cache.
  Tensor forward(Context& ctx, const Tensor& x, const RmsNorm& norm, std::span<const Segment> segments) const;

 private:
  Tensor attend_to_caches(Context& ctx, Tensor& q, Tensor& k, Tensor& v, std::span<const Segment> segments) const;
  Tensor attend_to_sequences(Context& ctx, Tensor& q, Tensor& k, const Tensor& v,
                             std::span<const Segment> segments) const;
};

struct Mlp {
  Weight gate, up, down;
  Tensor forward(Context& ctx, const Tensor& x, const RmsNorm& norm) const;
};

/// Pre-norm block of the Llama family (Touvron et al. 2023, arXiv:2302.13971).
struct DecoderLayer {
  RmsNorm input_norm, post_attention_norm;
  Attention attention;
  Mlp mlp;

  /// x [M,D] → [M,D]; M rows in segments.
  Tensor forward(Context& ctx, Tensor x, std::span<const Segment> segments) const;
};

/// New tokens of one sequence, and its cache: they stand at positions cache->length() onwards. While training there is
/// none (nullptr) and the tokens are the whole sequence.
struct Input {
  std::span<const int32_t> tokens;
  KvCache* cache;
};

/// What layers gave, [M,D]: 1 … L, 0 is the embedding. Whoever wants to see some puts their numbers in.
using LayerOutputs = std::map<int64_t, Tensor>;

/// The one forward: a token embedding, decoder layers, a norm and a head [V,D].
class Decoder {
 public:
  DecoderConfig config;
  Tensor embedding;  // [V,D], as the checkpoint has it
  std::vector<DecoderLayer> layers;
  RmsNorm norm;
  Weight head;
  std::vector<KvScales> cache_scales;  // a layer; empty: the checkpoint has none
  bool recompute = false;              // training keeps a layer's input only and computes the layer again
  int64_t weight_bytes = 0;            // of the checkpoint's tensors, as quantized while loading

  /// x [M,D] F32 of M token ids. Throws Error for an id outside the vocabulary.
  Tensor embed(std::span<const int32_t> tokens) const;

  /// Runs the layers over the new tokens of several sequences at once, a sequence after the other, and moves their
  /// caches on. → [M,D], before the last norm. A sequence's numbers do not depend on the others. While training, fills
  /// what `outputs` has places for.
  Tensor forward(Context& ctx, std::span<const Input> batch, LayerOutputs* outputs = nullptr) const;

  /// Logits [M,V] of hidden [M,D] as forward() gives them.
  Tensor logits(Context& ctx, const Tensor& hidden) const;

  /// What a cache holds unless told otherwise: the dtype that attention multiplies in.
  Format default_cache_format() const;
  KvCache make_cache(Format format, int64_t capacity) const;

 private:
  Tensor forward_whole(Context& ctx, std::span<const Input> batch, LayerOutputs* outputs) const;
};

}  // namespace octet
