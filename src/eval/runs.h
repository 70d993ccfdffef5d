#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "run/model.h"

namespace octet {

/// A text cut for scoring: run r holds tokens [r·(context-1), …) and is fed behind the model's first token.
class Runs {
 public:
  Runs(const std::vector<int32_t>& tokens, int64_t context) : tokens_(tokens), length_(context - 1) {}
  int64_t count() const { return (static_cast<int64_t>(tokens_.size()) + length_ - 1) / length_; }
  int64_t begin(int64_t run) const { return run * length_; }
  int64_t length(int64_t run) const { return std::min(length_, static_cast<int64_t>(tokens_.size()) - begin(run)); }
  int32_t target(int64_t token) const { return tokens_[static_cast<size_t>(token)]; }
  /// What the model is fed: position p of the run sees `first` and the run's tokens before p.
  std::vector<int32_t> inputs(int64_t run, int32_t first) const;

 private:
  const std::vector<int32_t>& tokens_;
  int64_t length_;
};

/// Rows of logits of one model: row i belongs to token tokens[i] of the text.
struct HiddenRows {
  Tensor hidden;                // [M,D]
  std::vector<int64_t> tokens;  // M
};

/// Feeds a batch of runs to a model, `chunk` tokens of each at a time.
class RunFeeder {
 public:
  RunFeeder(const Model& model, const Runs& runs, int64_t first_run, int64_t run_count, Format cache, int64_t chunk);
  /// The next chunk's hidden states, a run after the other; no rows at the end.
  HiddenRows next(Context& ctx);

 private:
  const Model& model_;
  int64_t chunk_, position_ = 0;
  std::vector<int64_t> begins_;
  std::vector<std::vector<int32_t>> inputs_;
  std::vector<KvCache> caches_;
};

/// The token that stands before each run. Throws Error for a model that names neither a first nor an end token.
int32_t first_token(const Model& model);

}  // namespace octet
