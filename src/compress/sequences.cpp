#include "compress/sequences.h"

#include "base/error.h"
#include "base/escape.h"
#include "models/architectures.h"
#include "models/rope.h"
#include "text/tokenizer.h"

namespace octet {
namespace {

int32_t first_token(const DecoderConfig& config, const std::string& directory) {
  if (config.bos >= 0) return config.bos;
  if (!config.eos.empty()) return config.eos[0];
  fail("{}: config.json names neither bos_token_id nor eos_token_id, so there is no token to begin a text with",
       directory);
}

// The beginning of a text, without half a character at its end.
std::string_view beginning_of(std::string_view text, int64_t bytes) {
  if (static_cast<int64_t>(text.size()) <= bytes) return text;
  auto size = static_cast<size_t>(bytes);
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

int64_t text_bytes_of(int64_t tokens) {
  constexpr int64_t kBytesOfAToken = 32;
  return tokens * kBytesOfAToken;
}

Sequences sequences_of(const DecoderConfig& config, const std::filesystem::path& model, int64_t context,
                       std::span<const int32_t> tokens) {
  const int32_t first = first_token(config, model.string());
  const auto length = static_cast<size_t>(std::max<int64_t>(1, std::min(context, config.max_positions) - 1));
  Sequences sequences;
  for (size_t begin = 0; begin < tokens.size(); begin += length) {
    const auto run = tokens.subspan(begin, std::min(length, tokens.size() - begin));
    sequences.begins.push_back(static_cast<int64_t>(sequences.tokens.size()));
    sequences.tokens.push_back(first);
    sequences.tokens.insert(sequences.tokens.end(), run.begin(), run.end() - 1);
  }
  sequences.begins.push_back(static_cast<int64_t>(sequences.tokens.size()));
  return sequences;
}

Sequences sequences_of(const Checkpoint& checkpoint, const DecoderConfig& config, const SequenceOptions& options,
                       std::string_view text) {
  const Tokenizer tokenizer = Tokenizer::load(checkpoint.directory());
  std::vector<int32_t> tokens = tokenizer.encode(beginning_of(text, text_bytes_of(options.tokens)));
  if (tokens.empty()) fail("{}: there is no text in it to watch the model on", printable(options.source));
  tokens.resize(std::min(tokens.size(), static_cast<size_t>(options.tokens)));
  return sequences_of(config, checkpoint.directory(), options.context, tokens);
}

void for_batches(const Sequences& sequences, int64_t tokens, const std::function<void(int64_t, int64_t)>& visit) {
  for (int64_t first = 0; first < sequences.count();) {
    int64_t last = first + 1;
    const auto rows_until = [&](int64_t end) {
      return sequences.begins[static_cast<size_t>(end)] - sequences.begins[static_cast<size_t>(first)];
    };
    while (last < sequences.count() && rows_until(last + 1) <= tokens) ++last;
    visit(first, last);
    first = last;
  }
}

Tensor run_layer(Context& ctx, const DecoderConfig& config, const DecoderLayer& layer, const Sequences& sequences,
                 int64_t first, int64_t last, Tensor x, std::span<const KvScales> scales) {
  DecoderConfig one_layer = config;  // what a cache of the layer at work needs
  one_layer.layers = 1;
  std::vector<KvCache> caches;
  std::vector<RopeTable> ropes;
  std::vector<Segment> segments;
  caches.reserve(static_cast<size_t>(last - first));
  ropes.reserve(static_cast<size_t>(last - first));
  const int64_t row = sequences.begins[static_cast<size_t>(first)];
  for (int64_t i = first; i < last; ++i) {
    const int64_t begin = sequences.begins[static_cast<size_t>(i)];
    const int64_t count = sequences.begins[static_cast<size_t>(i) + 1] - begin;
    const Format plain = config.dtype == DType::BF16 ? Format::BF16 : Format::F32;
    caches.emplace_back(one_layer, scales.empty() ? plain : Format::E4M3, count, scales);
    ropes.emplace_back(make_rope(config.rope, config.head_dim, config.max_positions, count), 0, count);
    segments.push_back({begin - row, count, 0, &caches.back(), &ropes.back()});
  }
  return layer.forward(ctx, std::move(x), segments);
}

Weight& linear_of(DecoderLayer& layer, std::string_view name) {
  Weight* const weights[] = {&layer.attention.q, &layer.attention.k, &layer.attention.v, &layer.attention.o,
                             &layer.mlp.gate,    &layer.mlp.up,      &layer.mlp.down};
  for (size_t i = 0; i < std::size(kLayerLinears); ++i) {
    if (kLayerLinears[i] == name) return *weights[i];
  }
  fail("{}: is not a linear module of a layer", name);
}

}  // namespace octet
