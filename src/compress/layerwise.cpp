#include "compress/layerwise.h"

#include "compress/modules.h"
#include "ops/elementwise.h"

namespace octet {

void advance(Context& ctx, const DecoderConfig& config, const DecoderLayer& layer, const Sequences& sequences,
             const Activations& x, Activations& y, std::span<const KvScales> scales) {
  for_batches(sequences, kBatchTokens, [&](int64_t first, int64_t last) {
    const int64_t row = sequences.begins[static_cast<size_t>(first)];
    const int64_t count = sequences.begins[static_cast<size_t>(last)] - row;
    y.write(row, run_layer(ctx, config, layer, sequences, first, last, x.read(row, count, ctx.threads), scales));
  });
}

void embed(const Checkpoint& checkpoint, const DecoderLoader& loader, const Sequences& sequences, Activations& x) {
  const Tensor table = loader.embedding();
  for_batches(sequences, kBatchTokens, [&](int64_t first, int64_t last) {
    const int64_t row = sequences.begins[static_cast<size_t>(first)];
    const int64_t count = sequences.begins[static_cast<size_t>(last)] - row;
    x.write(row, embedding_rows(table, {sequences.tokens.data() + row, static_cast<size_t>(count)}));
  });
  checkpoint.drop(kEmbedding);
}

std::unique_ptr<Activations> run_layer_by_layer(Context& ctx, const Checkpoint& checkpoint, const Sequences& sequences,
                                                const std::filesystem::path& spill) {
  const DecoderLoader loader(checkpoint, ctx.threads);
  const DecoderConfig& config = loader.config();
  const std::vector<KvScales> scales = loader.cache_scales();
  auto x = std::make_unique<Activations>(sequences.rows(), config.hidden, spill, Format::F32);
  embed(checkpoint, loader, sequences, *x);
  for (int64_t i = 0; i < config.layers; ++i) {
    DecoderLayer layer = loader.layer(i);
    layer.attention.layer = 0;
    const std::span of_layer(scales.empty() ? nullptr : &scales[static_cast<size_t>(i)], scales.empty() ? 0 : 1);
    advance(ctx, config, layer, sequences, *x, *x, of_layer);
  }
  return x;
}

Decoder end_of(const DecoderLoader& loader, const Weight* head) {
  Decoder end;
  end.config = loader.config();
  end.norm = loader.final_norm();
  end.head = head ? *head : loader.head();
  return end;
}

}  // namespace octet
