#pragma once
#include <functional>
#include <string>
#include <vector>

#include "run/model.h"

namespace octet {

struct PerplexityOptions {
  int64_t context = 512;  // positions of a run, its first token included
  int64_t chunk = 512;    // tokens of a run that go through a model at once
  int64_t batch = 1;      // runs that go through a model together
  std::string cache = "auto";                    // of the model; one that it is compared with keeps its own
  std::function<void(int64_t tokens)> progress;  // scored since the last call
};

/// What a model made of a text; entry i is of the text's token i.
struct Scores {
  std::vector<float> nll;  // nats
  double mean_nll = 0, perplexity = 0;
  double seconds = 0;         // of this model's own work
  std::string logits_sha256;  // SHA-256 over the SHA-256 of each position's F32 logits, in order
};

/// A model beside the one it was made from, position by position.
struct Comparison {
  Scores model, baseline;
  std::vector<float> kl;  // KL(baseline || model) in nats
  double mean_kl = 0;
  double top1_agreement = 0;                        // share of positions whose likeliest token is the same
  double ratio = 1, ratio_low = 1, ratio_high = 1;  // of perplexities, with the paired 95 % interval
};

/// Perplexity by Octet's rule: the tokens are cut into runs of context - 1, each preceded by the beginning-of-sequence
/// token (a model without: its first end token); every token is scored once. The result does not depend on threads,
/// chunk or batch. Throws Error for a text without tokens or a context that is too long for the model.
Scores score(Context& ctx, const Model& model, const std::vector<int32_t>& tokens, const PerplexityOptions& options);

/// Both at once, so that no logits are stored. Throws Error if the vocabularies differ.
Comparison compare(Context& ctx, const Model& model, const Model& baseline, const std::vector<int32_t>& tokens,
                   const PerplexityOptions& options);

/// Rows before the last norm that were computed already, and the norm and head that make logits of them.
struct HiddenText {
  const Decoder& end;                                        // its norm and head are used
  std::function<Tensor(int64_t begin, int64_t count)> rows;  // F32 [count,D]; row i predicts token i
};

/// The same, bit for bit, from rows that layers made one at a time.
Comparison compare(Context& ctx, const HiddenText& model, const HiddenText& baseline,
                   const std::vector<int32_t>& tokens);

}  // namespace octet
