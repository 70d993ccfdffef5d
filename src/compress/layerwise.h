#pragma once
#include <filesystem>
#include <memory>

#include "compress/activations.h"
#include "compress/sequences.h"
#include "models/load.h"

namespace octet {

constexpr int64_t kBatchTokens = 1024;  // that go through a layer at once

/// Bytes of freed activations that are kept for the next ones while batches of `rows` go through a layer: fresh pages
/// would take a third of the time.
constexpr int64_t reused_bytes(int64_t rows, int64_t hidden, int64_t intermediate) {
  return 4 * rows * (4 * hidden + 2 * intermediate);
}
/// The same of matrices while a layer is made, which are tried again and again; large ones are not worth it.
inline int64_t reused_while_made(int64_t largest) {
  return std::min(int64_t{16} << 20, 8 * largest);
}

/// Runs a layer over all rows of `x` [M,D] into `y` (it may be x).
void advance(Context& ctx, const DecoderConfig& config, const DecoderLayer& layer, const Sequences& sequences,
             const Activations& x, Activations& y, std::span<const KvScales> scales = {});

/// The residual stream of a text before the last norm, F32 [M,D], in a file `spill` or, where that is empty, in memory:
/// what Decoder::forward() gives, bit for bit, with one layer in memory at a time.
std::unique_ptr<Activations> run_layer_by_layer(Context& ctx, const Checkpoint& checkpoint, const Sequences& sequences,
                                                const std::filesystem::path& spill);

/// The residual stream before the first layer.
void embed(const Checkpoint& checkpoint, const DecoderLoader& loader, const Sequences& sequences, Activations& x);

/// A decoder of no layers, whose logits() works. `head`: one that is known to be the same; nullptr: the checkpoint's.
Decoder end_of(const DecoderLoader& loader, const Weight* head = nullptr);

}  // namespace octet
