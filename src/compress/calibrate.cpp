#include "compress/calibrate.h"

#include "base/error.h"
#include "base/escape.h"
#include "base/progress.h"
#include "compress/layerwise.h"
#include "compress/modules.h"
#include "kernels/convert/convert.h"
#include "ops/elementwise.h"

namespace octet {
namespace {

constexpr int64_t kGrain = int64_t{1} << 16;

void widen(SeenRange& range, const SeenRange& by) {
  range.min = std::min(range.min, by.min);
  range.max = std::max(range.max, by.max);
}

// Keeps the ranges of all that passes.
class RangeKeeper : public Observer {
 public:
  RangeKeeper(CalibrationRanges& ranges, Threads& threads) : ranges_(ranges), threads_(threads) {}

  void begin_layer(size_t layer) { layer_ = layer; }

  void linear_input(std::string_view module, const Tensor& x) override {
    auto found = ranges_.inputs.find(module);
    if (found == ranges_.inputs.end()) found = ranges_.inputs.emplace(std::string(module), SeenRange()).first;
    widen(found->second, range_of(x, module));
  }

  void keys_and_values(std::string_view attention, const Tensor& k, const Tensor& v) override {
    widen(ranges_.keys[layer_], range_of(k, attention));
    widen(ranges_.values[layer_], range_of(v, attention));
  }

 private:
  SeenRange range_of(const Tensor& x, std::string_view module) {
    SeenRange range;
    bool finite = true;
    std::mutex mutex;
    threads_.for_range(x.elements(), kGrain, [&](int64_t begin, int64_t end) {
      const kernels::MinMax piece = kernels::min_max(x.f32() + begin, end - begin);
      std::lock_guard lock(mutex);
      finite &= piece.finite;
      widen(range, {piece.min, piece.max});
    });
    if (!finite) fail("{}: its input becomes infinite or NaN on the calibration text; the model is damaged", module);
    return range;
  }

  CalibrationRanges& ranges_;
  Threads& threads_;
  size_t layer_ = 0;
};

}  // namespace

CalibrationRanges calibrate(const Checkpoint& checkpoint, const Plan& plan, const CompressOptions& options,
                            std::string_view text, const std::filesystem::path& place, Threads& threads,
                            const std::function<int64_t(int64_t rows)>& admit) {
  const SequenceOptions wanted{options.calibration->string(), options.context, options.calibration_tokens};
  const Sequences sequences = sequences_of(checkpoint, plan.model, wanted, text);
  const int64_t held = admit ? admit(sequences.rows()) : options.activation_bytes;
  const bool fits = Activations::bytes(sequences.rows(), plan.model.hidden, Format::F32) <= held;
  const DecoderLoader loader(checkpoint, threads);
  CalibrationRanges ranges;
  ranges.keys.resize(static_cast<size_t>(plan.model.layers));
  ranges.values.resize(static_cast<size_t>(plan.model.layers));
  RangeKeeper keeper(ranges, threads);
  Context ctx(threads);
  ctx.observer = &keeper;
  Progress progress("watching ranges", sequences.tokens.size() * ranges.keys.size(), "tokens a layer");
  Activations x(sequences.rows(), plan.model.hidden, fits ? std::filesystem::path() : place / "activations",
                Format::F32);
  embed(checkpoint, loader, sequences, x);
  for (int64_t i = 0; i < plan.model.layers; ++i) {
    DecoderLayer layer = loader.layer(i);
    layer.attention.layer = 0;
    keeper.begin_layer(static_cast<size_t>(i));
    advance(ctx, plan.model, layer, sequences, x, x);
    progress.advance(static_cast<uint64_t>(sequences.rows()));
  }
  if (!options.include_head) return ranges;
  const RmsNorm norm = loader.final_norm();
  for_batches(sequences, kBatchTokens, [&](int64_t first, int64_t last) {
    const int64_t row = sequences.begins[static_cast<size_t>(first)];
    const int64_t count = sequences.begins[static_cast<size_t>(last)] - row;
    keeper.linear_input(kHead, rms_norm(ctx, x.read(row, count, threads), norm));
  });
  return ranges;
}

}  // namespace octet
