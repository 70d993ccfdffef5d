#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "files/checkpoint.h"
#include "models/decoder.h"

namespace octet {

/// A text as calibration feeds it to a model: runs of context - 1 tokens, within the model's positions, behind the
/// first token, laid end to end; sequence i stands at rows begins[i] … begins[i+1]-1.
struct Sequences {
  std::vector<int32_t> tokens;
  std::vector<int64_t> begins;
  int64_t count() const { return static_cast<int64_t>(begins.size()) - 1; }
  int64_t rows() const { return begins.back(); }
};

struct SequenceOptions {
  std::string source;  // the file, for messages
  int64_t context = 512;
  int64_t tokens = 65536;  // at most
};

/// No more of a text is read than these tokens can have.
int64_t text_bytes_of(int64_t tokens);

/// Tokens of a text (at least one), cut.
Sequences sequences_of(const DecoderConfig& config, const std::filesystem::path& model, int64_t context,
                       std::span<const int32_t> tokens);
/// Throws Error for a text without tokens.
Sequences sequences_of(const Checkpoint& checkpoint, const DecoderConfig& config, const SequenceOptions& options,
                       std::string_view text);

/// Calls visit(first, last) for groups of whole sequences of about `tokens` tokens, in order.
void for_batches(const Sequences& sequences, int64_t tokens, const std::function<void(int64_t, int64_t)>& visit);

/// x [rows of sequences first … last-1, D] F32 through one layer → the same shape. `config` is the model's; `scales`:
/// of the layer's FP8 cache, where the checkpoint has one.
Tensor run_layer(Context& ctx, const DecoderConfig& config, const DecoderLayer& layer, const Sequences& sequences,
                 int64_t first, int64_t last, Tensor x, std::span<const KvScales> scales = {});
/// One of a layer's seven linear modules: "self_attn.q_proj".
Weight& linear_of(DecoderLayer& layer, std::string_view name);

}  // namespace octet
