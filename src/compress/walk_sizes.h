#pragma once
#include <algorithm>
#include <array>

#include "compress/layerwise.h"
#include "compress/pipeline.h"

namespace octet {

/// Widths of a layer and of what goes through it, in numbers; what is told of memory and of time before a walk starts
/// rests on them. `width`: bytes of a weight as stored; `batch`: rows that go through a layer at once.
struct WalkSizes {
  int64_t hidden, attention, cache, intermediate, widest, parameters, width, rows, batch;

  WalkSizes(const DecoderConfig& c, int64_t context, int64_t rows)
      : hidden(c.hidden),
        attention(c.heads * c.head_dim),
        cache(c.kv_heads * c.head_dim),
        intermediate(c.intermediate),
        widest(std::max({hidden, attention, intermediate})),
        parameters(2 * hidden * attention + 2 * hidden * cache + 3 * hidden * intermediate),
        width(c.dtype == DType::BF16 ? 2 : 4),
        rows(rows),
        batch(std::min(std::max(kBatchTokens, context), rows)) {}

  int64_t squares() const { return 2 * hidden * hidden + attention * attention + intermediate * intermediate; }
};

/// Matrices of one input: its width, the numbers of the largest of them and of all.
struct InputGroup {
  int64_t k, largest, together;
};
inline std::array<InputGroup, 4> groups_of(const WalkSizes& s) {
  return {{{s.hidden, s.hidden * s.attention, s.hidden * (s.attention + 2 * s.cache)},
           {s.attention, s.attention * s.hidden, s.attention * s.hidden},
           {s.hidden, s.hidden * s.intermediate, 2 * s.hidden * s.intermediate},
           {s.intermediate, s.intermediate * s.hidden, s.intermediate * s.hidden}}};
}

/// What is lacking of an input, or of what goes into the residual stream, times the input.
inline int64_t drift(const InputGroup& g, const WalkSizes& s) {
  constexpr int64_t kJudged = 511;  // rows of a drift of which half a text's is kept, at most
  const int64_t lacking = g.k == s.intermediate ? s.hidden : g.k;
  return (lacking + std::min(lacking, kJudged)) * g.k;
}

inline int64_t drifts(const WalkSizes& s, const Pipeline& p) {
  int64_t numbers = 0;
  for (const InputGroup& g : groups_of(s)) numbers += p.follows_floats() ? drift(g, s) : 0;
  return numbers;
}

/// What the forward holds of a row: in attention or in the MLP, with what the next product is made from; and its keys
/// and values.
inline int64_t bytes_of_row(const WalkSizes& s) {
  const int64_t attention = 4 * (3 * s.hidden + 2 * s.attention + 2 * s.cache) + s.width * s.hidden;
  const int64_t mlp = 4 * (3 * s.hidden + 3 * s.intermediate) + s.width * s.intermediate;
  return std::max(attention, mlp) + 2 * s.width * s.cache;
}

}  // namespace octet
